/* The algebra of flat vectors: what optimisers need (gcnn.backend.VectorAlgebra).
 *
 *   scale: x := a x       axpy:  y := a x + y
 *   dot:   sum of x y     amax:  largest |x|, NaN where there is one
 *
 * Each x begins at element `x0` of its memory, at any alignment, and has `n` elements; x and y may be the same.
 * Grid: any number of groups on one axis (chunks.h).
 * Reductions have two stages and a fixed order, so equal calls give equal bits: `partial_dot` and `partial_amax` leave
 * one number a group in `partial`; `finish_dot` and `finish_amax`, of one group, make one of them. Sums are kept in WIDE.
 * Shared memory: BLOCK numbers of type WIDE in the reductions.
 * Defines: REAL_BITS WIDE_BITS V; BLOCK, the work-items of a group, a power of two.
 */
#include "prelude.h"
#include "chunks.h"

KERNEL void scale(REAL a, GLOBAL REAL* x, INDEX x0, INDEX n)
{
    x += x0;
    TAKE_CHUNK(n);
    for EACH_VECTOR(i) STOREV(a * LOADV(x, i), x, i);
    for EACH_LEFT_OVER(i, n) x[i] *= a;
}

KERNEL void axpy(REAL a, GLOBAL const REAL* x, INDEX x0, GLOBAL REAL* y, INDEX y0, INDEX n)
{
    x += x0;
    y += y0;
    TAKE_CHUNK(n);
    for EACH_VECTOR(i) STOREV(FMA((REALV)(a), LOADV(x, i), LOADV(y, i)), y, i);
    for EACH_LEFT_OVER(i, n) y[i] = FMA(a, x[i], y[i]);
}

/* The larger, or the NaN among the two; of vectors, lane by lane. */
#define LARGER(a, b) ((((b) > (a)) | ((b) != (b))) ? (b) : (a))
#define SUM(a, b) ((a) + (b))

/* Combine one value a work-item over the group, pairwise, in halves; item 0 writes it to `target`. */
#define REDUCE_GROUP(COMBINE, value, target)                                                 \
    SHARED WIDE shared[BLOCK];                                                               \
    shared[LOCAL_ID(0)] = (value);                                                           \
    BARRIER();                                                                               \
    for (int reach = BLOCK / 2; reach > 0; reach /= 2) {                                     \
        if (LOCAL_ID(0) < reach)                                                             \
            shared[LOCAL_ID(0)] = COMBINE(shared[LOCAL_ID(0)], shared[LOCAL_ID(0) + reach]); \
        BARRIER();                                                                           \
    }                                                                                        \
    if (LOCAL_ID(0) == 0) (target) = shared[0]

KERNEL void partial_dot(GLOBAL const REAL* x, INDEX x0, GLOBAL const REAL* y, INDEX y0, INDEX n, GLOBAL WIDE* partial)
{
    x += x0;
    y += y0;
    TAKE_CHUNK(n);
    WIDEV lanes = (WIDEV)(0);
    for EACH_VECTOR(i) lanes = FMA(TO_WIDEV(LOADV(x, i)), TO_WIDEV(LOADV(y, i)), lanes);
    WIDE sum = SUMV(lanes);
    for EACH_LEFT_OVER(i, n) sum = FMA((WIDE)x[i], (WIDE)y[i], sum);
    REDUCE_GROUP(SUM, sum, partial[GROUP_ID(0)]);
}

KERNEL void partial_amax(GLOBAL const REAL* x, INDEX x0, INDEX n, GLOBAL WIDE* partial)
{
    x += x0;
    TAKE_CHUNK(n);
    REALV lanes = (REALV)(0);
    for EACH_VECTOR(i) {
        const REALV size = fabs(LOADV(x, i));
        lanes = LARGER(lanes, size);
    }
    REAL each[V], largest = 0;
    STOREV(lanes, each, 0);
    for (int lane = 0; lane < V; ++lane) largest = LARGER(largest, each[lane]);
    for EACH_LEFT_OVER(i, n) largest = LARGER(largest, fabs(x[i]));
    REDUCE_GROUP(LARGER, largest, partial[GROUP_ID(0)]);
}

KERNEL void finish_dot(GLOBAL const WIDE* partial, int groups, GLOBAL WIDE* result)
{
    WIDE sum = 0;
    for (int i = LOCAL_ID(0); i < groups; i += LOCAL_SIZE(0)) sum += partial[i];
    REDUCE_GROUP(SUM, sum, result[0]);
}

KERNEL void finish_amax(GLOBAL const WIDE* partial, int groups, GLOBAL WIDE* result)
{
    WIDE largest = 0;
    for (int i = LOCAL_ID(0); i < groups; i += LOCAL_SIZE(0)) largest = LARGER(largest, partial[i]);
    REDUCE_GROUP(LARGER, largest, result[0]);
}
