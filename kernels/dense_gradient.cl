/* Dense layer, gradient by its parameters (Hedberg 2015, Eqs. 36-41; delmas, Eq. 29), lanes are samples.
 *
 *   gradient          dw_ij = sum over samples of delta_i y_j,   db_i = sum over samples of delta_i
 *   sample_gradient   the same without the sum: row s of `rows`, `width` long, gets sample s
 *
 * The bias is the weight of one more input, column INPUTS, which is always 1. Lanes without a sample must hold a delta of 0 and finite inputs.
 * Without a TABLE the inputs of a block are turned over, once an item: lanes then are columns, as many as a broad vector has, sums need no
 * reduction, and what is written is contiguous. Samples are added one after another.
 *
 * Work: an item computes STRIP tiles of UNITS_TILE units, one after another, by COLUMNS_TILE times ACROSS columns; with a TABLE
 * COLUMNS_TILE parameters of one unit, whose lanes are added in WIDE.
 * Grid: gradient (tiles of columns, strips of units), the last tile of units moved back; with a TABLE (tiles of the longest unit's
 * parameters, units). sample_gradient (runs of RUN columns, or of the longest unit's parameters, units, blocks).
 * Group: LANES / V items on axis 0.   Memory: shared only where V < LANES: COLUMNS_TILE * LANES * (LANES + 1) of REAL.
 * Defines: those of prelude.h, dense.h, slopes.h; RUN. Free, and of equal bits: UNITS_TILE <= UNITS, COLUMNS_TILE, STRIP.
 */
#include "prelude.h"
#include "lanes.h"
#include "exchange.h"
#include "dense.h"
#include "slopes.h"

#define COLUMNS_OF(i) (WEIGHTS_OF(i) + BIAS)
#define PARAMETER(i, k) (theta0 + ((k) < WEIGHTS_OF(i) ? WEIGHT(i, k) : BIASES + (i)))
#if TABLE
#define SOURCE(i, k) source[WEIGHT(i, k)]
#else
#define SOURCE(i, k) (k)
#endif
/* What the parameter in column k of unit i is multiplied with. */
#define SEEN(i, k) ((k) < WEIGHTS_OF(i) ? LOADV(y_in, AT(SOURCE(i, k))) : (REALV)(1))

#if TABLE
ONE_ITEM_A_BLOCK KERNEL void gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT y_in, int samples,
                                      GLOBAL const int* RESTRICT first, GLOBAL const int* RESTRICT source,
                                      GLOBAL REAL* RESTRICT gradient, INDEX theta0, int add UPDATE_PARAMETERS)
{
    LANE_SCRATCH(scratch);
    const int k0 = GROUP_ID(0) * COLUMNS_TILE, i = GROUP_ID(1);
    REALV sum[COLUMNS_TILE];
    UNROLLED(k, COLUMNS_TILE) sum[k] = (REALV)(0);
    for (int block = 0; block < TILES(samples, LANES); ++block) {
        const REALV d = LOADV(delta, AT(i));
        UNROLLED(k, COLUMNS_TILE) sum[k] = FMA(d, SEEN(i, k0 + k), sum[k]);
        delta += UNITS * LANES;
        y_in += INPUTS * LANES;
    }
    for (int k = 0; k < COLUMNS_TILE; ++k) {
        const WIDE total = LANE_SUM(sum[k], scratch);
        if (FIRST_LANE == 0 && k0 + k < COLUMNS_OF(i)) GIVE(total, gradient, PARAMETER(i, k0 + k), add);
    }
}
#else
/* TURN(turned, y_in, k0) turns over COLUMNS_TILE times ACROSS columns of a block; TURNED(turned, b, c, s) is what sample s of block b of those
 * that are turned TOGETHER has in those columns, ACROSS side by side, that are number c. */
#if V == LANES
#define ACROSS BROAD
#define TOGETHER 4 /* a tile of sums is loaded and stored once for them */
#define TURNED_MEMORY(turned) REALB turned[TOGETHER][COLUMNS_TILE][LANES]
#define TURNED_BLOCK(turned, b) turned[b]
#define TURNED(turned, b, c, s) turned[b][c][s]
INLINED void TURN(REALB turned[COLUMNS_TILE][LANES], GLOBAL const REAL* y_in, const int k0)
{
    NOT_UNROLLED(c, COLUMNS_TILE) {
        const int k = k0 + c * ACROSS;
        REALB x[LANES], t[LANES];
        if (k + ACROSS <= INPUTS) {
            UNROLLED(n, LANES) x[n] = LOADB(y_in, AT(k) + n * BROAD);
        } else {
            REAL seen[ACROSS * LANES];
            NOT_UNROLLED(n, ACROSS) STOREV(SEEN(0, k + n), seen, n * LANES);
            UNROLLED(n, LANES) x[n] = LOADB(seen, n * BROAD);
        }
        GATHER_LANES(t, x);
        UNROLLED(n, LANES) turned[c][n] = t[n];
    }
}
#else
#define ACROSS LANES
#define TOGETHER 1
#define TURNED_MEMORY(turned) SHARED REAL turned[COLUMNS_TILE * LANES * (LANES + 1)]
#define TURNED_BLOCK(turned, b) turned
#define TURNED(turned, b, c, s) turned[((c) * LANES + LOCAL_ID(0)) * (LANES + 1) + (s)]
DEVICE void TURN(SHARED_ARG REAL* turned, GLOBAL const REAL* y_in, const int k0)
{
    BARRIER(); /* others may still read the block before */
    for (int n = 0; n < COLUMNS_TILE * LANES; ++n) turned[n * (LANES + 1) + LOCAL_ID(0)] = SEEN(0, k0 + n);
    BARRIER();
}
#endif

ONE_ITEM_A_BLOCK KERNEL void gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT y_in, int samples,
                                      GLOBAL const int* RESTRICT first, GLOBAL const int* RESTRICT source,
                                      GLOBAL REAL* RESTRICT gradient, INDEX theta0, int add UPDATE_PARAMETERS)
{
    TURNED_MEMORY(turned);
    const int k0 = GROUP_ID(0) * COLUMNS_TILE * ACROSS, strip = GROUP_ID(1) * STRIP;
    const int blocks = TILES(samples, LANES), whole = k0 + COLUMNS_TILE * ACROSS <= INPUTS;
    /* Of tiles that go on with other blocks, or reach beyond what there is. Loops that are not unrolled took least to compile. */
    REALB sums[STRIP][UNITS_TILE][COLUMNS_TILE];
    for (int block = 0; block == 0 || block < blocks; block += TOGETHER) { /* without a block slopes are 0 */
        const int count = blocks - block < TOGETHER ? blocks - block : TOGETHER, last = block + count == blocks;
        for (int b = 0; b < count; ++b) TURN(TURNED_BLOCK(turned, b), y_in + (INDEX)b * INPUTS * LANES, k0);
        for (int t = 0; t < STRIP && (strip + t) * UNITS_TILE < UNITS; ++t) {
            const int own_i = (strip + t) * UNITS_TILE, i0 = TILE_BACK(own_i, UNITS_TILE, UNITS);
            GLOBAL const REAL* d = delta + i0 * LANES;
            REALB sum[UNITS_TILE][COLUMNS_TILE];
            if (block == 0)
                UNROLLED(u, UNITS_TILE) UNROLLED(c, COLUMNS_TILE) sum[u][c] = (REALB)(0);
            else
                UNROLLED(u, UNITS_TILE) UNROLLED(c, COLUMNS_TILE) sum[u][c] = sums[t][u][c];
            for (int b = 0; b < count; ++b) {
                NOT_UNROLLED(s, SAMPLES_OF(block + b, samples))
                    UNROLLED(u, UNITS_TILE) UNROLLED(c, COLUMNS_TILE)
                        sum[u][c] = FMA((REALB)(d[u * LANES + s]), TURNED(turned, b, c, s), sum[u][c]);
                d += UNITS * LANES;
            }
            if (last && whole && i0 == own_i)
                UNROLLED(u, UNITS_TILE) UNROLLED(c, COLUMNS_TILE)
                    GIVEB(sum[u][c], gradient, theta0 + WEIGHT(i0 + u, k0 + c * ACROSS + FIRST_LANE), add);
            else
                UNROLLED(u, UNITS_TILE) UNROLLED(c, COLUMNS_TILE) sums[t][u][c] = sum[u][c];
        }
        delta += TOGETHER * UNITS * LANES;
        y_in += (INDEX)TOGETHER * INPUTS * LANES;
    }
    NOT_UNROLLED(t, STRIP) {
        const int own_i = (strip + t) * UNITS_TILE, i0 = TILE_BACK(own_i, UNITS_TILE, UNITS);
        if (whole && i0 == own_i) continue;
        NOT_UNROLLED(n, UNITS_TILE * COLUMNS_TILE) {
            const int u = n / COLUMNS_TILE, c = n % COLUMNS_TILE;
            const int i = i0 + u, k = k0 + c * ACROSS + FIRST_LANE;
            if (i < own_i) continue;
            if (k + BROAD <= INPUTS) {
                GIVEB(sums[t][u][c], gradient, theta0 + WEIGHT(i, k), add);
            } else {
                REAL each[BROAD];
                STOREB(sums[t][u][c], each, 0);
                NOT_UNROLLED(lane, BROAD)
                    if (k + lane < COLUMNS_OF(i)) GIVE(each[lane], gradient, PARAMETER(i, k + lane), add);
            }
        }
    }
}
#endif

KERNEL void sample_gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT y_in, int samples,
                            GLOBAL const int* RESTRICT first, GLOBAL const int* RESTRICT source, GLOBAL REAL* RESTRICT rows,
                            INDEX width, INDEX theta0)
{
    const int k0 = GROUP_ID(0) * RUN, i = GROUP_ID(1), block = GROUP_ID(2);
    const REALV d = LOADV(delta, AT((INDEX)block * UNITS + i));
    y_in += (INDEX)block * INPUTS * LANES;
    for (int k = k0; k < k0 + RUN && k < COLUMNS_OF(i); ++k)
        STORE_ROWS(d * SEEN(i, k), rows, width, PARAMETER(i, k), block, samples);
}
