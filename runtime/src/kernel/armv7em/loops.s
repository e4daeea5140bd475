@ The loops of paired.rs, for Armv7E-M and Armv8-M with the DSP extension.
@
@ Every function takes the address of a job in r0. In all loops:
@
@   r0-r3   sums of four pixels (0 1 / 2 3 under a pool; side by side without one)
@   r4-r9   widened inputs of some of the window's pixels
@   r8-r11  widened weights, and a word of weights (in the first loop and the fourth)
@   r12     next word of the patch
@   lr      next word of weights
@
@ What does not fit is on the stack, in the order of the job. Every value that is loaded lies in the
@ patch or in the runs of weights, whose lengths the caller has checked.

.syntax unified
.thumb

@ Adds to sums \a and \b the products of two pixels' inputs and one pair of weights.
.macro multiply a, b, x, y, weights
    smlad \a, \x, \weights, \a
    smlad \b, \y, \weights, \b
.endm

@ The next pair of weights to \to: two pairs are loaded at a time, to r11.
.macro next_pair to
    .if (pair & 1) == 0
    ldr r11, [lr], #4
    sxtb16 \to, r11
    .else
    sxtb16 \to, r11, ror #8
    .endif
    .set pair, pair + 1
.endm

.macro function name
    .section .text.\name, "ax", %progbits
    .balign 4
    .globl \name
    .hidden \name
    .thumb_func
    .type \name, %function
\name:
.endm

@ Starts a function for windows of a pool. Each output channel starts with its bias in r0.
.macro start_pooled
    push {r4-r11, lr}
    ldmia r0, {r4-r12}
    mov lr, r12
    push {r4-r11}
1:  ldr r0, [r4], #4
    stmia sp, {r4-r6}
    mov r12, r7
    .set pair, 0
.endm

@ The bias in all four sums.
.macro spread_bias
    mov r1, r0
    mov r2, r0
    mov r3, r0
.endm

@ As multiply r2, r3, .. or multiply r0, r1, .. for the first products, which are added to the bias.
.macro multiply_first a, b, x, y, weights
    smlad \a, \x, \weights, r0
    smlad \b, \y, \weights, r0
.endm

@ Goes on with label 2 while there are planes left.
.macro end_plane
    ldr r11, [sp, #28]
    cmp r12, r11
    bne 2b
.endm

@ Ends the function: the largest of the sums, rounded half to even as arithmetic.rs does. For a shift of
@ 0 the lowest bit of 1 << shift stands in for the parity.
.macro end_pooled
    cmp r0, r1
    it lt
    movlt r0, r1
    cmp r2, r3
    it lt
    movlt r2, r3
    cmp r0, r2
    it lt
    movlt r0, r2
    ldmia sp, {r4-r10}
    ldrb r11, [r5], #1
    asr r1, r0, r11
    lsl r2, r10, r11
    orr r1, r1, r2
    bic r1, r10, r1
    sub r0, r0, r1
    add r0, r0, r2, lsr #1
    asr r0, r0, r11
    add r0, r0, r8
    usat r0, #8, r0
    strb r0, [r6], #1
    cmp r6, r9
    bne 1b
    add sp, sp, #32
    pop {r4-r11, pc}
.endm

@ One row of the window, in r4-r7, times three pairs of weights.
.macro row_of_three a, b
    multiply \a, \b, r4, r5, r8
    multiply \a, \b, r5, r6, r9
    multiply \a, \b, r6, r7, r10
.endm

@ One plane of 3 x 3 under a pool: 4 rows of 4 words, 5 words of weights.
.macro plane_3x3
    ldmia r12!, {r4-r7}
    ldmia lr!, {r8, r11}
    sxtb16 r9, r8, ror #8
    sxtb16 r8, r8
    sxtb16 r10, r11
    row_of_three r0, r1
    ldmia r12!, {r4-r7}
    row_of_three r2, r3
    sxtb16 r8, r11, ror #8
    ldr r10, [lr], #4
    sxtb16 r9, r10
    sxtb16 r10, r10, ror #8
    row_of_three r0, r1
    ldmia r12!, {r4-r7}
    row_of_three r2, r3
    ldmia lr!, {r8, r10}
    sxtb16 r9, r8, ror #8
    sxtb16 r8, r8
    sxtb16 r10, r10
    row_of_three r0, r1
    ldmia r12!, {r4-r7}
    row_of_three r2, r3
.endm

@ 3 x 3 and a pool. Two planes a round; an odd number of planes enters in the middle.
function tenfold_pooled_3x3
    start_pooled
    spread_bias
    ldr r11, [sp, #28]
    sub r11, r11, r12
    tst r11, #64
    bne 3f
2:  plane_3x3
3:  plane_3x3
    end_plane
    end_pooled

@ 3 x 3 of an image, and a pool: for each of 2 pairs of columns 4 rows of 2 words, 3 words of weights.
function tenfold_pooled_3x3_image
    start_pooled
    ldmia lr!, {r8-r10}
    ldmia r12!, {r4-r7}
    sxtb16 r11, r8
    multiply_first r2, r3, r6, r7, r11
    multiply_first r1, r0, r5, r4, r11
    sxtb16 r11, r8, ror #8
    multiply r0, r1, r6, r7, r11
    ldmia r12!, {r4-r7}
    multiply r2, r3, r4, r5, r11
    sxtb16 r11, r9
    multiply r0, r1, r4, r5, r11
    multiply r2, r3, r6, r7, r11
    ldmia r12!, {r4-r7}
    sxtb16 r11, r9, ror #8
    multiply r0, r1, r4, r5, r11
    multiply r2, r3, r6, r7, r11
    sxtb16 r11, r10
    multiply r0, r1, r6, r7, r11
    ldmia r12!, {r4-r7}
    multiply r2, r3, r4, r5, r11
    sxtb16 r11, r10, ror #8
    multiply r0, r1, r4, r5, r11
    multiply r2, r3, r6, r7, r11
    end_pooled

@ 5 x 5 and a pool: 6 rows of 4 words for the first three columns of the kernel, 6 rows of 3 words for
@ the other two, 13 words of weights.
function tenfold_pooled_5x5
    start_pooled
    spread_bias
2:  .set pair, 0
    ldmia r12!, {r4-r7}
    .rept 5
    next_pair r8
    next_pair r9
    next_pair r10
    row_of_three r0, r1
    ldmia r12!, {r4-r7}
    row_of_three r2, r3
    .endr
    ldmia r12!, {r4-r6}
    .rept 5
    next_pair r8
    next_pair r9
    multiply r0, r1, r4, r5, r8
    multiply r0, r1, r5, r6, r9
    ldmia r12!, {r4-r6}
    multiply r2, r3, r4, r5, r8
    multiply r2, r3, r5, r6, r9
    .endr
    end_plane
    end_pooled

@ 5 x 5 of an image, and a pool: for each of 3 pairs of columns 6 rows of 2 words, 8 words of weights.
function tenfold_pooled_5x5_image
    start_pooled
    .rept 3
    ldmia r12!, {r4-r9}
    next_pair r10
    .if pair == 1
    multiply_first r2, r3, r6, r7, r10
    multiply_first r1, r0, r5, r4, r10
    .else
    multiply r0, r1, r4, r5, r10
    multiply r2, r3, r6, r7, r10
    .endif
    next_pair r10
    multiply r0, r1, r6, r7, r10
    multiply r2, r3, r8, r9, r10
    next_pair r10
    multiply r0, r1, r8, r9, r10
    ldmia r12!, {r4-r9}
    multiply r2, r3, r4, r5, r10
    next_pair r10
    multiply r0, r1, r4, r5, r10
    multiply r2, r3, r6, r7, r10
    next_pair r10
    multiply r0, r1, r6, r7, r10
    multiply r2, r3, r8, r9, r10
    .endr
    end_pooled

@ Where there is no pool, an output channel of some pixels side by side takes three pieces of code, each of
@ which goes on with the next by an address on the stack: a start, a loop, a finish.
@
@   sp+0 biases       +16 patch        +32 bytes from a piece of a run to the next run's
@     +4 shifts       +20 its end      +36 bytes from a pixel of the output to the next
@     +8 outputs      +24 loop         +40 end of the first pixel's outputs
@    +12 weights      +28 finish       +44 start
@                                      +48 sums of channels that are computed in pieces
function tenfold_single
    push {r4-r11, lr}
    ldmia r0!, {r4-r11}
    ldmia r0, {r0-r3, r12}
    push {r0-r3, r12}
    push {r4-r11}
    ldr pc, [sp, #44]

@ Starts with the bias, and with the half that is added for rounding.
function tenfold_start_bias
    ldmia sp, {r4-r9}
    ldr r0, [r4]
    ldrb r1, [r5]
    movs r2, #1
    lsls r2, r1
    add r0, r0, r2, lsr #1
    mov lr, r7
    mov r12, r8
    spread_bias
    ldr pc, [sp, #24]

@ Starts with sums, which a finish will store again, or not.
.macro start_sums name, writeback
function \name
    ldmia sp, {r4-r9}
    ldr r11, [sp, #48]
    ldmia r11\writeback, {r0-r3}
    .ifnb \writeback
    str r11, [sp, #48]
    .endif
    mov lr, r7
    mov r12, r8
    ldr pc, [sp, #24]
.endm

start_sums tenfold_start_sums
start_sums tenfold_start_last_sums, !

@ Where the next channel's pointers are in r4-r7: goes on or ends.
.macro end_channel
    stmia sp, {r4-r7}
    ldr r8, [sp, #40]
    cmp r6, r8
    it ne
    ldrne pc, [sp, #44]
    add sp, sp, #52
    pop {r4-r11, pc}
.endm

.macro next_channel
    ldmia sp, {r4-r6}
    ldr r8, [sp, #32]
    ldrb r9, [r5], #1
    adds r4, #4
    add r7, lr, r8
.endm

@ The sum has its half; only if the bits that are shifted out are zero was it a tie. They are what is left
@ when the sum is shifted to the other side, by 32 - shift (by 0 for a shift of 0).
.macro requantize sum, address:vararg
    asr r12, \sum, r9
    lsls lr, \sum, r10
    it eq
    biceq r12, r12, #1
    usat r12, #8, r12
    strb r12, \address
.endm

.macro prepare_requantize
    next_channel
    rsb r10, r9, #0
    ldr r11, [sp, #36]
    and r10, r10, #31
.endm

function tenfold_finish_4
    prepare_requantize
    requantize r0, [r6]
    requantize r1, [r6, r11]
    requantize r2, [r6, r11, lsl #1]
    add r11, r11, r11, lsl #1
    requantize r3, [r6, r11]
    adds r6, #1
    end_channel

@ One, two or three pixels; r8 is where the next channel's outputs of the last one would be.
function tenfold_finish_3
    prepare_requantize
    requantize r2, [r6, r11, lsl #1]
    b 2f
    .globl tenfold_finish_2
    .hidden tenfold_finish_2
    .thumb_func
    .type tenfold_finish_2, %function
tenfold_finish_2:
    prepare_requantize
2:  requantize r1, [r6, r11]
    b 1f
    .globl tenfold_finish_1
    .hidden tenfold_finish_1
    .thumb_func
    .type tenfold_finish_1, %function
tenfold_finish_1:
    prepare_requantize
1:  requantize r0, [r6]
    adds r6, #1
    end_channel

function tenfold_finish_store
    next_channel
    ldr r11, [sp, #48]
    stmia r11!, {r0-r3}
    str r11, [sp, #48]
    adds r6, #1
    end_channel

.macro load_inputs count
    .if \count == 6
    ldmia r12!, {r4-r9}
    .elseif \count == 5
    ldmia r12!, {r4-r8}
    .elseif \count == 4
    ldmia r12!, {r4-r7}
    .elseif \count == 3
    ldmia r12!, {r4-r6}
    .elseif \count == 2
    ldmia r12!, {r4-r5}
    .else
    ldr r4, [r12], #4
    .endif
.endm

@ As next_pair, where r3 is free: of 9 pairs in five words two words are loaded at a time.
.macro next_of_five_words to
    .if pair == 8
    ldr r3, [lr], #4
    .elseif (pair & 3) == 0
    ldmia lr!, {r3, r11}
    .endif
    .if (pair & 3) == 0
    sxtb16 \to, r3
    .elseif (pair & 3) == 1
    sxtb16 \to, r3, ror #8
    .elseif (pair & 3) == 2
    sxtb16 \to, r11
    .else
    sxtb16 \to, r11, ror #8
    .endif
    .set pair, pair + 1
.endm

@ The next pair of weights, where \count sums are in use.
.macro next_weights count, to
    .if \count == 4
    next_pair \to
    .else
    next_of_five_words \to
    .endif
.endm

@ A pair of weights times \count inputs side by side, of which the first is in \a.
.macro multiply_side_by_side count, weights, a, b, c, d
    smlad r0, \a, \weights, r0
    .if \count > 1
    smlad r1, \b, \weights, r1
    .endif
    .if \count > 2
    smlad r2, \c, \weights, r2
    .endif
    .if \count > 3
    smlad r3, \d, \weights, r3
    .endif
.endm

@ 3 x 3 for \count pixels: 3 rows of \count + 2 words a plane, 5 words of weights.
.macro single count, inputs
function tenfold_single_\count
2:  .set pair, 0
    .rept 3
    load_inputs \inputs
    next_weights \count, r10
    multiply_side_by_side \count, r10, r4, r5, r6, r7
    next_weights \count, r10
    multiply_side_by_side \count, r10, r5, r6, r7, r8
    next_weights \count, r10
    multiply_side_by_side \count, r10, r6, r7, r8, r9
    .endr
    .if \count < 4
    cmp r12, r9
    .else
    ldr r11, [sp, #20]
    cmp r12, r11
    .endif
    bne 2b
    ldr pc, [sp, #28]
.endm

@ The same at stride 2: in each row first the \count + 1 even columns, then the \count odd ones.
.macro single_stride_2 count, inputs
function tenfold_single_\count\()_stride_2
2:  .set pair, 0
    .rept 3
    load_inputs \inputs
    next_weights \count, r10
    multiply_side_by_side \count, r10, r4, r5, r6, r7
    next_weights \count, r9
    next_weights \count, r10
    multiply_side_by_side \count, r10, r5, r6, r7, r8
    load_inputs \count
    multiply_side_by_side \count, r9, r4, r5, r6, r7
    .endr
    ldr r10, [sp, #20]
    cmp r12, r10
    bne 2b
    ldr pc, [sp, #28]
.endm

@ 3 x 3 of an image: for each of 2 pairs of columns 3 rows of \count words, 3 words of weights.
.macro single_image count
function tenfold_single_\count\()_image
    .set pair, 0
    .rept 6
    load_inputs \count
    next_pair r10
    multiply_side_by_side \count, r10, r4, r5, r6, r7
    .endr
    ldr pc, [sp, #28]
.endm

single 1, 3
single 2, 4
single 3, 5
single 4, 6
single_stride_2 1, 2
single_stride_2 2, 3
single_stride_2 3, 4
single_stride_2 4, 5
single_image 1
single_image 2
single_image 3
single_image 4

@ Copies r2 bytes from r1 to r0, the last first: words, and then what is left of them.
function tenfold_copy
    b 2f
1:  ldr r3, [r1, r2]
    str r3, [r0, r2]
2:  subs r2, #4
    bpl 1b
    adds r2, #4
    b 4f
3:  ldrb r3, [r1, r2]
    strb r3, [r0, r2]
4:  subs r2, #1
    bpl 3b
    bx lr

@ One more word of inputs, for four runs of weights.
.macro four_by_four extend
    ldr r5, [r8], #4
    \extend r4, r5
    \extend r5, r5, ror #8
    one_by_four r0, r9
    one_by_four r1, r10
    one_by_four r2, r11
    one_by_four r3, r12
.endm

.macro one_by_four sum, weights
    ldr r6, [\weights], #4
    sxtb16 r7, r6
    smlad \sum, r4, r7, \sum
    sxtb16 r6, r6, ror #8
    smlad \sum, r5, r6, \sum
.endm

@ Four runs of weights in plain order times one run of inputs: 23 instructions for 16 products.
@ r8 inputs, r9-r12 weights, lr end of the inputs, which are an even or odd number of words, not 0.
.macro dot name, extend
function \name
    push {r0, r4-r11, lr}
    ldmia r0!, {r8-r12, lr}
    ldmia r0, {r0-r3}
    sub r6, lr, r8
    tst r6, #4
    bne 2f
1:  four_by_four \extend
2:  four_by_four \extend
    cmp r8, lr
    bne 1b
    ldr r6, [sp], #4
    adds r6, #24
    stmia r6, {r0-r3}
    pop {r4-r11, pc}
.endm

dot tenfold_dot_unsigned, uxtb16
dot tenfold_dot_signed, sxtb16

@ The sums of a dense layer: weights in plain order, four outputs side by side, as tenfold_dot_unsigned; then what
@ the inputs have beyond whole words.
@
@ job: +0 inputs, +4 end of the whole words, +8 end, +12 bytes of a run, +16 weights, +20 sums, +24 outputs left
@
@ Of fewer than four outputs that are left, the last one is computed again in place of the others.
.macro dense name, extend, load
function \name
    push {r0, r4-r11, lr}
1:  ldr r7, [sp]
    ldmia r7!, {r8, lr}
    ldmia r7, {r3-r7}
    mov r9, r5
    ldr r0, [r6]
    cmp r7, #2
    itt hs
    addhs r5, r4
    ldrhs r1, [r6, #4]
    mov r10, r5
    cmp r7, #3
    itt hs
    addhs r5, r4
    ldrhs r2, [r6, #8]
    mov r11, r5
    cmp r7, #4
    it hs
    addhs r5, r4
    mov r12, r5
    add r4, r5
    it hs
    ldrhs r3, [r6, #12]
    ldr r7, [sp]
    str r4, [r7, #16]
    subs r6, lr, r8
    beq 3f
    tst r6, #4
    bne 4f
2:  four_by_four \extend
4:  four_by_four \extend
    cmp r8, lr
    bne 2b
3:  ldr r7, [sp]
    ldr lr, [r7, #8]
5:  cmp r8, lr
    beq 6f
    \load r4, [r8], #1
    one_byte r0, r9
    one_byte r1, r10
    one_byte r2, r11
    one_byte r3, r12
    b 5b
6:  ldr r6, [r7, #20]
    ldr r5, [r7, #24]
    str r0, [r6], #4
    subs r5, #1
    beq 7f
    str r1, [r6], #4
    subs r5, #1
    beq 7f
    str r2, [r6], #4
    subs r5, #1
    beq 7f
    str r3, [r6], #4
    subs r5, #1
    strd r6, r5, [r7, #20]
    bne 1b
7:  pop {r0, r4-r11, pc}
.endm

.macro one_byte sum, weights
    ldrsb r6, [\weights], #1
    mla \sum, r4, r6, \sum
.endm

dense tenfold_dense_unsigned, uxtb16, ldrb
dense tenfold_dense_signed, sxtb16, ldrsb

@ Four channels of a pixel into two words; leaves the flags alone.
.macro widen_quad extend
    ldr r8, [r7], #4
    \extend r9, r8
    \extend r10, r8, ror #8
    pkhbt r8, r9, r10, lsl #16
    pkhtb r9, r10, r9, asr #16
    str r8, [r6]
    str r9, [r6, r4]
    add r6, r6, r4, lsl #1
.endm

@ Widens the channels of some pixels of some rows in pairs, into words that are a plane apart.
@ r1 first word of the pixel, r2 pixels left, r3 channels beyond the quads, r4 bytes of a plane,
@ r5 quads of channels, r12 the pixel, lr address of the next row's address, of which the last is 0. The
@ first of these is r1 at the call.
.macro widen name, extend
function \name
    push {r4-r11, lr}
    ldr r4, [r0, #12]
    ldr r5, [r0, #16]
    ldr r3, [r0, #20]
    mov lr, r1
1:  ldr r12, [r0, #28]
    ldr r7, [lr], #4
    cmp r7, #0
    beq 9f
    ldr r1, [r0]
    ldr r2, [r0, #4]
    add r12, r12, r7
2:  mov r6, r1
    mov r7, r12
    subs r11, r5, #1
    bmi 4f
    beq 8f
3:  widen_quad \extend
    subs r11, #2
    widen_quad \extend
    bgt 3b
    bmi 4f
8:  widen_quad \extend
4:  cbz r3, 6f
    cmp r3, #2
    ite lo
    ldrblo r8, [r7]
    ldrhhs r8, [r7]
    itt hi
    ldrbhi r9, [r7, #2]
    orrhi r8, r8, r9, lsl #16
    \extend r9, r8
    \extend r10, r8, ror #8
    pkhbt r8, r9, r10, lsl #16
    str r8, [r6]
    bls 6f
    pkhtb r9, r10, r9, asr #16
    str r9, [r6, r4]
6:  ldr r8, [r0, #24]
    add r12, r12, r8
    adds r1, #4
    subs r2, #1
    bne 2b
    ldr r1, [r0]
    ldr r8, [r0, #8]
    add r1, r1, r8
    str r1, [r0]
    b 1b
9:  pop {r4-r11, pc}
.endm

widen tenfold_widen_unsigned, uxtb16
widen tenfold_widen_signed, sxtb16

@ Widens rows of an image: each word is a pixel and its right neighbour, r5-r8 or r5-r10 from left to
@ right. The last neighbour meets a weight of zero. r0 addresses of the rows, r1 offset in each,
@ r2 target, r3 end of the addresses.
.macro widen_four extend
    ldr r12, [r0], #4
    ldr r8, [r12, r1]
    \extend r7, r8
    \extend r8, r8, ror #8
    pkhbt r5, r7, r8, lsl #16
    pkhbt r6, r8, r7
    pkhtb r7, r8, r7, asr #16
    lsr r8, r8, #16
.endm

.macro widen_six extend
    ldr r12, [r0], #4
    add r12, r12, r1
    ldr r4, [r12]
    ldr r10, [r12, #2]
    \extend r7, r4
    \extend r8, r4, ror #8
    pkhbt r5, r7, r8, lsl #16
    pkhbt r6, r8, r7
    pkhtb r7, r8, r7, asr #16
    \extend r9, r10
    \extend r10, r10, ror #8
    pkhbt r8, r10, r9
    pkhtb r9, r10, r9, asr #16
    lsr r10, r10, #16
.endm

@ For 3 x 3 and a pool, for 5 x 5 and a pool, for 3 x 3 and four pixels side by side.
.macro widen_images suffix, extend
function tenfold_widen_image_3x3_\suffix
    push {r4-r10, lr}
1:  widen_four \extend
    strd r5, r6, [r2]
    strd r7, r8, [r2, #32]
    adds r2, #8
    cmp r0, r3
    bne 1b
    pop {r4-r10, pc}
function tenfold_widen_image_5x5_\suffix
    push {r4-r10, lr}
1:  widen_six \extend
    strd r5, r6, [r2]
    strd r7, r8, [r2, #48]
    strd r9, r10, [r2, #96]
    adds r2, #8
    cmp r0, r3
    bne 1b
    pop {r4-r10, pc}
function tenfold_widen_image_4_\suffix
    push {r4-r10, lr}
1:  widen_six \extend
    stmia r2!, {r5-r8}
    add r12, r2, #32
    stmia r12, {r7-r10}
    cmp r0, r3
    bne 1b
    pop {r4-r10, pc}
.endm

widen_images unsigned, uxtb16
widen_images signed, sxtb16

@ The same for any number of pixels under a kernel of three columns: a block of each pixel with its right
@ neighbour, row by row, then a block of the pixels' third columns alone.
@ r0 addresses of the rows and a null, r1 offset in each, r2 target, r3 pixels, the stride on the stack.
.macro widen_columns suffix, load
function tenfold_widen_columns_\suffix
    push {r4-r8, lr}
    ldr r8, [sp, #24]
    mov lr, r0
1:  ldr r4, [lr], #4
    cbz r4, 3f
    add r4, r4, r1
    mov r5, r3
2:  \load r6, [r4]
    \load r7, [r4, #1]
    pkhbt r6, r6, r7, lsl #16
    str r6, [r2], #4
    add r4, r4, r8
    subs r5, #1
    bne 2b
    b 1b
3:  adds r1, #2
4:  ldr r4, [r0], #4
    cbz r4, 6f
    mov r5, r3
    add r4, r4, r1
5:  \load r6, [r4]
    str r6, [r2], #4
    add r4, r4, r8
    subs r5, #1
    bne 5b
    b 4b
6:  pop {r4-r8, pc}
.endm

widen_columns unsigned, ldrb
widen_columns signed, ldrsb

.purgem widen_images
.purgem widen_columns
.purgem widen_quad
.purgem next_of_five_words
.purgem widen_four
.purgem widen_six
.purgem spread_bias
.purgem multiply_first
.purgem end_plane
.purgem plane_3x3
.purgem four_by_four
.purgem one_by_four
.purgem dot
.purgem dense
.purgem one_byte
.purgem widen
.purgem multiply
.purgem next_pair
.purgem function
.purgem start_pooled
.purgem end_pooled
.purgem row_of_three
.purgem load_inputs
.purgem multiply_side_by_side
.purgem single
.purgem single_stride_2
.purgem start_sums
.purgem end_channel
.purgem next_channel
.purgem requantize
.purgem prepare_requantize
.purgem next_weights
.purgem single_image
.text
