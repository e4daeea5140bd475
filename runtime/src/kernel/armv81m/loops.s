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

@ Rounds \value half to even, as arithmetic.rs does, and saturates it. \shift is -1 - the shift, because twice the
@ accumulator is shifted by one more, so that no shift is zero.
.macro round_and_saturate value, other, ones, shift, offset
    vadd.i32 \value, \value, \value
    vshl.s32 \other, \value, \shift
    vbic \other, \ones, \other
    vsub.i32 \value, \value, \other
    vrshl.s32 \value, \value, \shift
    vadd.i32 \value, \value, \offset
    vqmovnb.s32 \value, \value
    vqmovunb.s16 \value, \value
.endm

.macro requantize value, other, bias, shift, offset
    vadd.i32 \value, \value, \bias
    round_and_saturate \value, \other, q4, \shift, \offset
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

small_window tenfold_helium_small_pooled_signed, s, end_channels_pooled
small_window tenfold_helium_small_single_unsigned, u, end_channels_single
small_window tenfold_helium_small_single_signed, s, end_channels_single

@ Under a pool, a kernel of at most 16 unsigned inputs, or 32, that were copied behind each other, with zeros behind
@ the last one. q4-q7: the first 16 inputs of each pixel; r1, r3, r5, r7: output channels that are left, bias,
@ shifts, output; r9: the other inputs of the first pixel, or the least number of output channels that
@ four loads at constant distances are for; r10: weights of an output channel; r12: what is added before saturation.
.macro multiply_image
    veor q0, q0, q1
    ldmia sp, {r0, r2, r4, r6}
    vmladava.u8 r0, q0, q4
    vmladava.u8 r2, q0, q5
    vmladava.u8 r4, q0, q6
    vmladava.u8 r6, q0, q7
.endm

.macro image_window name, vectors
function \name
    start_window
    ldmia r9, {r1, r3, r5, r7}
    vldrb.u8 q4, [r1]
    vldrb.u8 q5, [r3]
    vldrb.u8 q6, [r5]
    vldrb.u8 q7, [r7]
    add r9, r1, #16
    mov r1, #0
    mov r0, r1
    mov r2, r1
    mov r4, r1
    mov r6, r1
    vaddva.u8 r0, q4
    vaddva.u8 r2, q5
    vaddva.u8 r4, q6
    vaddva.u8 r6, q7
    .if \vectors == 2
    vldrb.u8 q0, [r9]
    vldrb.u8 q1, [r9, #40]
    vldrb.u8 q2, [r9, #80]
    vldrb.u8 q3, [r9, #120]
    vaddva.u8 r0, q0
    vaddva.u8 r2, q1
    vaddva.u8 r4, q2
    vaddva.u8 r6, q3
    .endif
    start_sums
    stmia sp, {r0, r2, r4, r6}
    .if \vectors == 1
    mov r9, #4
    cmp r10, #9
    it ne
    mvnne r9, #0x80000000
    .endif
    add r0, sp, #40
    ldmia r0, {r1, r3, r5, r7}
    ldr r12, [sp, #68]
3:  vmov.i8 q1, #0x80
    add r8, sp, #80
    @ No weight behind the last one is read.
    .if \vectors == 2
    sub r0, r10, #16
    vctp.8 r0
    .else
    vctp.8 r10
    cmp r1, r9
    blt 4f
    vldrb.u8 q0, [r11]
    multiply_image
    stmia r8!, {r0, r2, r4, r6}
    vldrb.u8 q0, [r11, #9]
    multiply_image
    stmia r8!, {r0, r2, r4, r6}
    vldrb.u8 q0, [r11, #18]
    multiply_image
    stmia r8!, {r0, r2, r4, r6}
    vpst
    vldrbt.u8 q0, [r11, #27]
    multiply_image
    stmia r8!, {r0, r2, r4, r6}
    add r11, r11, #36
    b 6f
    .endif
4:  mov r0, r1
    cmp r0, #4
    it gt
    movgt r0, #4
    dls lr, r0
5:  .if \vectors == 2
    vldrb.u8 q0, [r11]
    vpst
    vldrbt.u8 q2, [r11, #16]
    multiply_image
    vldrb.u8 q3, [r9]
    veor q2, q2, q1
    vmladava.u8 r0, q2, q3
    vldrb.u8 q3, [r9, #40]
    vmladava.u8 r2, q2, q3
    vldrb.u8 q3, [r9, #80]
    vmladava.u8 r4, q2, q3
    vldrb.u8 q3, [r9, #120]
    vmladava.u8 r6, q2, q3
    .else
    vpst
    vldrbt.u8 q0, [r11]
    multiply_image
    .endif
    add r11, r11, r10
    stmia r8!, {r0, r2, r4, r6}
    le lr, 5b
6:  add r0, sp, #80
    vld40.32 {q0, q1, q2, q3}, [r0]
    vld41.32 {q0, q1, q2, q3}, [r0]
    vld42.32 {q0, q1, q2, q3}, [r0]
    vld43.32 {q0, q1, q2, q3}, [r0]
    vmax.s32 q0, q0, q1
    vmax.s32 q2, q2, q3
    vctp.32 r1
    vpstt
    vldrwt.u32 q1, [r3], #16
    vldrbt.u32 q3, [r5], #4
    vmax.s32 q0, q0, q2
    vmvn q3, q3
    vadd.i32 q0, q0, q1
    vmov.i32 q1, #1
    round_and_saturate q0, q2, q1, q3, r12
    vpst
    vstrbt.32 q0, [r7], #4
    subs r1, r1, #4
    bgt 3b
    end_window
.endm

image_window tenfold_helium_image_16, 1
image_window tenfold_helium_image_32, 2

@ Kernels of 3 x 3 and stride 1 over \channels channels, a multiple of 16: sixteen channels of all inputs
@ under the four pixels at a time, each of which is loaded once. r1, r3, r5, r7: rows of input; r10:
@ sixteens of channels; r11: the middle of the weights; q0-q3, or more: a row of input; others: weights.
.macro start_block channels
    mov r10, #\channels / 16
    add r11, r11, #4 * \channels
.endm

@ Leaves the rows' addresses in the frame, between the sums, as they lie in the table.
.macro rows_of_block last
    ldr r1, [r9]
    ldr r3, [r9, #16]
    ldr r5, [r9, #32]
    ldr r7, [r9, #32 + \last]
    str r1, [sp, #4]
    str r3, [sp, #12]
    str r5, [sp, #20]
    str r7, [sp, #28]
.endm

@ The next channels of a row of inputs.
.macro load_inputs row, channels
    vldrw.u32 q1, [\row, #\channels]
    vldrw.u32 q2, [\row, #2 * \channels]
    vldrw.u32 q3, [\row, #3 * \channels]
    vldrw.u32 q0, [\row], #16
.endm

@ A row of weights: the first at \offset, the others so many channels behind it and behind each other.
.macro load_weights offset, channels
    vldrw.u32 q4, [r11, #\offset]
    vldrw.u32 q5, [r11, #\offset + \channels]
    vldrw.u32 q6, [r11, #\offset + 2 * \channels]
    offset_row
.endm

@ The second row, in the middle of which r11 goes on to the next channels.
.macro load_middle_weights channels
    vldrw.u32 q4, [r11, #-\channels]
    vldrw.u32 q5, [r11], #16
    vldrw.u32 q6, [r11, #\channels - 16]
    offset_row
.endm

.macro offset_row
    veor q4, q4, q7
    veor q5, q5, q7
    veor q6, q6, q7
.endm

@ A row of inputs times a row of weights, for two pixels.
.macro multiply_row a, b
    vmladava.u8 \a, q0, q4
    vmladava.u8 \b, q1, q4
    vmladava.u8 \a, q1, q5
    vmladava.u8 \b, q2, q5
    vmladava.u8 \a, q2, q6
    vmladava.u8 \b, q3, q6
.endm

.macro pooled_block channels
function tenfold_helium_pooled_3x3x\channels
    start_window
    sum_inputs u
    rows_of_block 8
    start_block \channels
3:  start_channels
    add r0, r8, r0, lsl #4
    str r0, [sp, #32]
4:  ldmia sp, {r0-r7}
    dls lr, r10
5:  load_inputs r1, \channels
    load_weights -4 * \channels, \channels
    multiply_row r0, r2
    load_inputs r3, \channels
    multiply_row r4, r6
    load_middle_weights \channels
    multiply_row r0, r2
    load_inputs r5, \channels
    multiply_row r4, r6
    load_weights 2 * \channels - 16, \channels
    multiply_row r0, r2
    load_inputs r7, \channels
    multiply_row r4, r6
    le lr, 5b
    add r11, r11, #8 * \channels
    stmia r8!, {r0, r2, r4, r6}
    ldr r0, [sp, #32]
    cmp r8, r0
    bne 4b
    vmov.i32 q4, #1
    end_channels_pooled
    end_window
.endm

pooled_block 16
pooled_block 32
pooled_block 64

@ One weight for four pixels side by side, whose inputs are \a to \d. With the one in the middle r11 goes on to
@ the next channels.
.macro multiply_single pixels, offset, a, b, c, d
    .ifc \offset, next
    vldrw.u32 q6, [r11], #16
    .else
    vldrw.u32 q6, [r11, #\offset]
    .endif
    veor q6, q6, q7
    vmladava.u8 r0, \a, q6
    vmladava.u8 r2, \b, q6
    .if \pixels > 2
    vmladava.u8 r4, \c, q6
    .endif
    .if \pixels > 3
    vmladava.u8 r6, \d, q6
    .endif
.endm

.macro single_row pixels, row, channels, first, second, third
    vldrw.u32 q1, [\row, #\channels]
    vldrw.u32 q2, [\row, #2 * \channels]
    vldrw.u32 q3, [\row, #3 * \channels]
    .if \pixels > 2
    vldrw.u32 q4, [\row, #4 * \channels]
    .endif
    .if \pixels > 3
    vldrw.u32 q5, [\row, #5 * \channels]
    .endif
    vldrw.u32 q0, [\row], #16
    multiply_single \pixels, \first, q0, q1, q2, q3
    multiply_single \pixels, \second, q1, q2, q3, q4
    multiply_single \pixels, \third, q2, q3, q4, q5
.endm

.macro single_block channels, pixels
function tenfold_helium_single_3x3x\channels\()_\pixels
    start_window
    sum_inputs u
    rows_of_block 0
    start_block \channels
3:  start_channels
    add r0, r8, r0, lsl #4
    str r0, [sp, #32]
4:  ldmia sp, {r0-r7}
    dls lr, r10
5:  single_row \pixels, r1, \channels, (-4 * \channels), (-3 * \channels), (-2 * \channels)
    single_row \pixels, r3, \channels, (-\channels), next, (\channels - 16)
    single_row \pixels, r5, \channels, (2 * \channels - 16), (3 * \channels - 16), (4 * \channels - 16)
    le lr, 5b
    add r11, r11, #8 * \channels
    @ The sums of the last pixel stand in for those that are missing.
    .if \pixels < 3
    mov r4, r2
    .endif
    .if \pixels < 4
    mov r6, r4
    .endif
    stmia r8!, {r0, r2, r4, r6}
    ldr r0, [sp, #32]
    cmp r8, r0
    bne 4b
    vmov.i32 q4, #1
    end_channels_single
    end_window
.endm

single_block 16, 2
single_block 16, 3
single_block 16, 4
single_block 32, 2
single_block 32, 3
single_block 32, 4
single_block 64, 2
single_block 64, 3
single_block 64, 4

@ One round after the other. r4: job; r5: the loop for it; r6: rounds; r7: table; r8, r9: what is added to
@ inputs' and outputs' addresses for the next round; r10: where short rows are copied to, or 0; r11: bytes of
@ a row of the kernel.
function tenfold_helium_rounds
    push {r4-r11, lr}
    ldmia r0, {r4-r11}
1:  cmp r10, #0
    beq 3f
    @ Copies the rows of the kernel, of at most 16 bytes, one behind the other, for each of the four pixels,
    @ with zeros behind the last one, 40 bytes a pixel.
    vctp.8 r11
    mov lr, r10
    mov r12, r7
    ldmia r12, {r0-r3}
2:  vpstttt
    vldrbt.u8 q0, [r0]
    vldrbt.u8 q1, [r1]
    vldrbt.u8 q2, [r2]
    vldrbt.u8 q3, [r3]
    vstrb.8 q0, [lr]
    vstrb.8 q1, [lr, #40]
    vstrb.8 q2, [lr, #80]
    vstrb.8 q3, [lr, #120]
    add lr, lr, r11
    vldrw.u32 q0, [r12]
    vadd.i32 q0, q0, r8
    vstrw.32 q0, [r12], #16
    ldmia r12, {r0-r3}
    cmp r0, #0
    bne 2b
3:  mov r0, r4
    blx r5
    cmp r10, #0
    bne 5f
    mov r12, r7
4:  vldrw.u32 q0, [r12]
    vadd.i32 q0, q0, r8
    vstrw.32 q0, [r12], #16
    ldr r0, [r12]
    cmp r0, #0
    bne 4b
5:  vldrw.u32 q0, [r4, #16]
    vadd.i32 q0, q0, r9
    vstrw.32 q0, [r4, #16]
    subs r6, r6, #1
    bne 1b
    pop {r4-r11, pc}

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

.purgem function
.purgem offset_weights
.purgem start_window
.purgem end_window
.purgem start_sums
.purgem sum_inputs
.purgem start_channels
.purgem round_and_saturate
.purgem requantize
.purgem load_sums
.purgem end_channels_pooled
.purgem end_pixel
.purgem end_channels_single
.purgem window
.purgem load_small
.purgem small_window
.purgem multiply_image
.purgem image_window
.purgem start_block
.purgem rows_of_block
.purgem load_inputs
.purgem load_weights
.purgem load_middle_weights
.purgem offset_row
.purgem multiply_row
.purgem pooled_block
.purgem multiply_single
.purgem single_row
.purgem single_block
.purgem dense
.text
