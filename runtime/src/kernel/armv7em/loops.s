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

@ \count registers from \first on are loaded from [\address]!, or loaded or stored without stepping on.
.macro load_sums count
    .if \count == 4
    ldmia r4, {r0-r3}
    .elseif \count == 3
    ldmia r4, {r0-r2}
    .elseif \count == 2
    ldmia r4, {r0-r1}
    .else
    ldr r0, [r4]
    .endif
.endm

.macro store_sums count
    .if \count == 4
    stmia r4!, {r0-r3}
    .elseif \count == 3
    stmia r4!, {r0-r2}
    .elseif \count == 2
    stmia r4!, {r0-r1}
    .else
    str r0, [r4], #4
    .endif
.endm

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

.macro start_single count
    push {r4-r11, lr}
    ldmia r0, {r4-r9}
    push {r4-r9}
1:  load_sums \count
    mov lr, r5
    mov r12, r7
    .if \count < 4
    ldr r9, [sp, #16]
    .endif
2:
    .set pair, 0
.endm

.macro end_single count
    .if \count < 4
    cmp r12, r9
    .else
    ldr r11, [sp, #16]
    cmp r12, r11
    .endif
    bne 2b
    ldmia sp, {r4-r9}
    store_sums \count
    add r5, r5, r6
    stmia sp, {r4-r5}
    cmp r4, r9
    bne 1b
    add sp, sp, #24
    pop {r4-r11, pc}
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

@ The next pair of weights times \count inputs side by side, of which the first is in \a.
.macro multiply_side_by_side count, a, b, c, d, image=0
    .if \count == 4 || \image
    next_pair r10
    .else
    next_of_five_words r10
    .endif
    smlad r0, \a, r10, r0
    .if \count > 1
    smlad r1, \b, r10, r1
    .endif
    .if \count > 2
    smlad r2, \c, r10, r2
    .endif
    .if \count > 3
    smlad r3, \d, r10, r3
    .endif
.endm

@ 3 x 3 for \count pixels: 3 rows of \count + 2 words a plane, 5 words of weights.
.macro single name, count, inputs
function \name
    start_single \count
    .rept 3
    load_inputs \inputs
    multiply_side_by_side \count, r4, r5, r6, r7
    multiply_side_by_side \count, r5, r6, r7, r8
    multiply_side_by_side \count, r6, r7, r8, r9
    .endr
    end_single \count
.endm

@ 3 x 3 of an image: for each of 2 pairs of columns 3 rows of \count words, 3 words of weights.
.macro single_image name, count
function \name
    start_single \count
    .rept 6
    load_inputs \count
    multiply_side_by_side \count, r4, r5, r6, r7, 1
    .endr
    end_single \count
.endm

single tenfold_single_1, 1, 3
single tenfold_single_2, 2, 4
single tenfold_single_3, 3, 5
single tenfold_single_4, 4, 6
single_image tenfold_single_1_image, 1
single_image tenfold_single_2_image, 2
single_image tenfold_single_3_image, 3
single_image tenfold_single_4_image, 4

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
@ r5 quads of channels, r12 the pixel, lr address of the next row's address.
.macro widen name, extend
function \name
    push {r4-r11, lr}
    ldr r4, [r0, #12]
    ldr r5, [r0, #16]
    ldr r3, [r0, #20]
    add lr, r0, #36
1:  ldr r1, [r0]
    ldr r2, [r0, #4]
    ldr r12, [r0, #28]
    ldr r8, [lr], #4
    add r12, r12, r8
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
    ldr r8, [r0, #32]
    cmp lr, r8
    bne 1b
    pop {r4-r11, pc}
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

.purgem widen_images
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
.purgem widen
.purgem multiply
.purgem next_pair
.purgem function
.purgem start_pooled
.purgem end_pooled
.purgem row_of_three
.purgem load_sums
.purgem store_sums
.purgem load_inputs
.purgem start_single
.purgem end_single
.purgem multiply_side_by_side
.purgem single
.purgem single_image
.text
