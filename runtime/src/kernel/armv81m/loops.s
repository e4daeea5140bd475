@ The loops of armv81m.rs, for Armv8.1-M with Helium (MVE, integers).
@
@ In the functions for windows:
@
@   r0 r2 r4 r6   sums of four pixels (VMLADAVA adds to an even register)
@   r1 r3 r5 r7   next inputs of the four pixels
@   r8            where the sums of this output channel go
@   r9            next line of the table of inputs
@   r10, r12      bytes of a kernel row, and what is missing to a multiple of 16
@   r11           next weights
@   lr            rounds
@   q4, q7        ones; 0x80 in every byte
@
@ On the stack:
@
@   0             eight words: what the four sums start with, between the first line of the table
@   32            end of the sums of this round of output channels
@   36            the job up to `offset`
@   80            sums: four output channels of four pixels
@
@ Tail-predicated loops (DLSTP, LETP) read and add no byte beyond the end of a row.

.cpu cortex-m55
.syntax unified
.thumb

.macro function name
    .section .text.\name, "ax", %progbits
    .balign 4
    .globl \name
    .hidden \name
    .thumb_func
    .type \name, %function
\name:
.endm

@ An unsigned input times a weight plus 128, which is unsigned as well. Signed ones need no change.
.macro offset_weights sign, weights
    .ifc \sign, u
    veor \weights, \weights, q7
    .endif
.endm

.macro start_window
    push {r4-r11, lr}
    vpush {d8-d15}
    sub sp, sp, #144
    ldmia r0, {r1-r11}
    add r0, sp, #36
    stmia r0, {r1-r9}
    mov r9, r1
    rsb r12, r10, #0
    and r12, r12, #15
    vmov.i32 q4, #1
    vmov.i8 q7, #0x80
.endm

.macro end_window
    add sp, sp, #144
    vpop {d8-d15}
    pop {r4-r11, pc}
.endm

@ What the sums start with: -128 times the sum of a pixel's inputs takes back the 128 that was added
@ to every weight.
.macro start_sums
    sub r0, r1, r0, lsl #7
    sub r2, r1, r2, lsl #7
    sub r4, r1, r4, lsl #7
    sub r6, r1, r6, lsl #7
.endm

@ Leaves in the frame what every output channel starts with; r9 is the table.
.macro sum_inputs sign
    mov r0, #0
    mov r2, #0
    mov r4, #0
    mov r6, #0
    .ifc \sign, u
    ldmia r9!, {r1, r3, r5, r7}
1:  dlstp.8 lr, r10
2:  vldrb.u8 q0, [r1], #16
    vldrb.u8 q1, [r3], #16
    vldrb.u8 q2, [r5], #16
    vldrb.u8 q3, [r7], #16
    vaddva.u8 r0, q0
    vaddva.u8 r2, q1
    vaddva.u8 r4, q2
    vaddva.u8 r6, q3
    letp lr, 2b
    ldmia r9!, {r1, r3, r5, r7}
    cmp r1, #0
    bne 1b
    start_sums
    ldr r9, [sp, #36]
    .endif
    ldmia r9, {r1, r3, r5, r7}
    stmia sp, {r0-r7}
.endm

@ Starts four output channels, or those that are left. r0: how many. The end of them goes back to 3.
.macro start_channels
    ldr r0, [sp, #40]
    add r8, sp, #80
    cmp r0, #4
    it gt
    movgt r0, #4
.endm

@ Requantizes \value, whose temporary is \other, as arithmetic.rs does: \shift is -1 - the shift, because
@ twice the accumulator is shifted by one more, so that no shift is zero.
.macro requantize value, other, bias, shift, offset
    vadd.i32 \value, \value, \bias
    vadd.i32 \value, \value, \value
    vshl.s32 \other, \value, \shift
    vbic \other, q4, \other
    vsub.i32 \value, \value, \other
    vrshl.s32 \value, \value, \shift
    vadd.i32 \value, \value, \offset
    vqmovnb.s32 \value, \value
    vqmovunb.s16 \value, \value
.endm

@ Loads the sums of four output channels: a vector for each pixel.
.macro load_sums
    add r0, sp, #80
    vld40.32 {q0, q1, q2, q3}, [r0]
    vld41.32 {q0, q1, q2, q3}, [r0]
    vld42.32 {q0, q1, q2, q3}, [r0]
    vld43.32 {q0, q1, q2, q3}, [r0]
    add r0, sp, #40
.endm

@ Ends four output channels: the largest of the four pixels' sums of each.
.macro end_channels_pooled
    load_sums
    vmax.s32 q0, q0, q1
    vmax.s32 q2, q2, q3
    ldmia r0, {r1-r4}
    ldr r5, [sp, #68]
    vctp.32 r1
    vpstt
    vldrwt.u32 q1, [r2], #16
    vldrbt.u32 q3, [r3], #4
    vmax.s32 q0, q0, q2
    vmvn q3, q3
    requantize q0, q2, q1, q3, r5
    vpst
    vstrbt.32 q0, [r4], #4
    subs r1, r1, #4
    stmia r0, {r1-r4}
    bgt 3b
.endm

.macro end_pixel value, out
    requantize \value, q7, q5, q6, r9
    vpst
    vstrbt.32 \value, [\out], #4
.endm

@ Ends four output channels: each of the four pixels' sums.
.macro end_channels_single
    load_sums
    ldmia r0, {r1-r7, r9}
    vctp.32 r1
    vpstt
    vldrwt.u32 q5, [r2], #16
    vldrbt.u32 q6, [r3], #4
    vmvn q6, q6
    end_pixel q0, r4
    end_pixel q1, r5
    end_pixel q2, r6
    end_pixel q3, r7
    vmov.i8 q7, #0x80
    subs r1, r1, #4
    stmia r0, {r1-r7}
    bgt 3b
.endm

@ Any kernel: row after row of it.
.macro window name, sign, end
function \name
    start_window
    sum_inputs \sign
3:  start_channels
    add r0, r8, r0, lsl #4
    str r0, [sp, #32]
4:  ldr r9, [sp, #36]
    ldmia sp, {r0-r7}
    add r9, r9, #16
5:  dlstp.8 lr, r10
6:  vldrb.u8 q0, [r11], #16
    vldrb.u8 q1, [r1], #16
    offset_weights \sign, q0
    vldrb.u8 q2, [r3], #16
    vmladava.\sign\()8 r0, q0, q1
    vldrb.u8 q1, [r5], #16
    vmladava.\sign\()8 r2, q0, q2
    vldrb.u8 q2, [r7], #16
    vmladava.\sign\()8 r4, q0, q1
    vmladava.\sign\()8 r6, q0, q2
    letp lr, 6b
    sub r11, r11, r12
    ldmia r9!, {r1, r3, r5, r7}
    cmp r1, #0
    bne 5b
    stmia r8!, {r0, r2, r4, r6}
    ldr r0, [sp, #32]
    cmp r8, r0
    bne 4b
    \end
    end_window
.endm

window tenfold_helium_pooled_unsigned, u, end_channels_pooled
window tenfold_helium_pooled_signed, s, end_channels_pooled
window tenfold_helium_single_unsigned, u, end_channels_single
window tenfold_helium_single_signed, s, end_channels_single

@ A kernel of at most 16 weights, whose inputs stay in q1, q2, q3 and q5: zeros behind the last one.
.macro load_small
    ldr r9, [sp, #36]
    ldmia r9, {r1, r3, r5, r7}
    vldrb.u8 q1, [r1]
    vldrb.u8 q2, [r3]
    vldrb.u8 q3, [r5]
    vldrb.u8 q5, [r7]
.endm

.macro small_window name, sign, end
function \name
    start_window
    load_small
    mov r1, #0
    mov r0, r1
    mov r2, r1
    mov r4, r1
    mov r6, r1
    .ifc \sign, u
    vaddva.u8 r0, q1
    vaddva.u8 r2, q2
    vaddva.u8 r4, q3
    vaddva.u8 r6, q5
    start_sums
    .endif
    stmia sp, {r0-r7}
3:  load_small
    start_channels
    vctp.8 r10
    dls lr, r0
4:  ldmia sp, {r0-r7}
    vpst
    vldrbt.u8 q0, [r11]
    add r11, r11, r10
    offset_weights \sign, q0
    vmladava.\sign\()8 r0, q0, q1
    vmladava.\sign\()8 r2, q0, q2
    vmladava.\sign\()8 r4, q0, q3
    vmladava.\sign\()8 r6, q0, q5
    stmia r8!, {r0, r2, r4, r6}
    le lr, 4b
    \end
    end_window
.endm

small_window tenfold_helium_small_pooled_unsigned, u, end_channels_pooled
small_window tenfold_helium_small_pooled_signed, s, end_channels_pooled
small_window tenfold_helium_small_single_unsigned, u, end_channels_single
small_window tenfold_helium_small_single_signed, s, end_channels_single

@ Copies the rows of a kernel, of at most 16 bytes, one behind the other, for each of four pixels, with
@ zeros behind the last one. r0: table; r1: bytes of a row; r2: target, 40 bytes a pixel.
function tenfold_helium_gather
    push {r4-r7, lr}
    mov r6, r0
    mov r7, r1
    vctp.8 r1
    ldmia r6!, {r0, r1, r3, r4}
1:  vpstttt
    vldrbt.u8 q0, [r0]
    vldrbt.u8 q1, [r1]
    vldrbt.u8 q2, [r3]
    vldrbt.u8 q3, [r4]
    vstrb.8 q0, [r2]
    vstrb.8 q1, [r2, #40]
    vstrb.8 q2, [r2, #80]
    vstrb.8 q3, [r2, #120]
    add r2, r2, r7
    ldmia r6!, {r0, r1, r3, r4}
    cmp r0, #0
    bne 1b
    pop {r4-r7, pc}

@ Dense layers: four outputs at a time.
@
@   r0 r2 r4 r6   sums of four outputs
@   r1 r3 r5 r7   next weights of the four outputs
@   r8            next inputs
@   r9            next sums in memory
@   r10           bytes of a run of weights
@   r11           outputs that are left
@   r12           what the sums start with
.macro dense name, sign
function \name
    push {r4-r11, lr}
    vpush {d14-d15}
    sub sp, sp, #8
    ldmia r0, {r1, r8-r11}
    str r8, [sp]
    vmov.i8 q7, #0x80
    mov r12, #0
    .ifc \sign, u
    mov r0, #0
    dlstp.8 lr, r10
2:  vldrb.u8 q0, [r8], #16
    vaddva.u8 r0, q0
    letp lr, 2b
    sub r12, r12, r0, lsl #7
    .endif
    @ From the end of a group's first run, rounded up to 16 bytes, to the next group's.
    add r0, r10, #15
    bic r0, r0, #15
    rsb r0, r0, r10, lsl #2
    str r0, [sp, #4]
3:  add r3, r1, r10
    add r5, r3, r10
    add r7, r5, r10
    @ Where there are fewer than four outputs, the first one stands in.
    cmp r11, #2
    it lt
    movlt r3, r1
    cmp r11, #3
    it lt
    movlt r5, r1
    cmp r11, #4
    it lt
    movlt r7, r1
    ldr r8, [sp]
    mov r0, r12
    mov r2, r12
    mov r4, r12
    mov r6, r12
    dlstp.8 lr, r10
4:  vldrb.u8 q0, [r8], #16
    vldrb.u8 q1, [r1], #16
    vldrb.u8 q2, [r3], #16
    offset_weights \sign, q1
    vmladava.\sign\()8 r0, q0, q1
    vldrb.u8 q1, [r5], #16
    offset_weights \sign, q2
    vmladava.\sign\()8 r2, q0, q2
    vldrb.u8 q2, [r7], #16
    offset_weights \sign, q1
    vmladava.\sign\()8 r4, q0, q1
    offset_weights \sign, q2
    vmladava.\sign\()8 r6, q0, q2
    letp lr, 4b
    vctp.32 r11
    vmov q1[2], q1[0], r0, r4
    vmov q1[3], q1[1], r2, r6
    vpst
    vldrwt.u32 q0, [r9]
    vadd.i32 q0, q0, q1
    vpst
    vstrwt.32 q0, [r9], #16
    ldr r0, [sp, #4]
    add r1, r1, r0
    subs r11, r11, #4
    bgt 3b
    add sp, sp, #8
    vpop {d14-d15}
    pop {r4-r11, pc}
.endm

dense tenfold_helium_dense_unsigned, u
dense tenfold_helium_dense_signed, s

@ r0: sums; r1: shifts; r2: output; r3: how many; on the stack: what is added before saturation.
function tenfold_helium_requantize
    ldr r12, [sp]
    push {r7, lr}
    vpush {d8-d9}
    vmov.i32 q4, #1
    vmov.i32 q3, #0
    dlstp.32 lr, r3
1:  vldrw.u32 q0, [r0], #16
    vldrb.u32 q1, [r1], #4
    vmvn q1, q1
    requantize q0, q2, q3, q1, r12
    vstrb.32 q0, [r2], #4
    letp lr, 1b
    vpop {d8-d9}
    pop {r7, pc}
