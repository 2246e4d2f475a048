/* Convolution with 3x3 taps and strides of 1, gradient by its parameters (Hedberg 2015, Eqs. 76-81), by Winograd's algorithm turned round
 * (winograd.h): four ninths of the multiplications, or a quarter.
 *
 *   accumulate   M[p][i][j] = sum over tiles of outputs and samples of (A delta_i A^T)[p] (B^T d_j B)[p], for the positions p
 *   finish       dw_ij = G^T M[.][i][j] G,   db_i = sum over samples and x of delta_i(x)
 *
 * Lanes without a sample must hold a delta of 0 and finite inputs.
 * Work: an item of accumulate takes RUN tiles at a time. It turns the inputs' positions over, so that lanes are maps j, and
 * sums need no reduction: values[p][tile, sample][j], deltas[p][i][tile, sample]. Then for every p it adds a product of matrices to its own
 * sums, MAPS_TILE maps i by COLUMNS_TILE broad vectors of maps j at a time. An item of finish adds the sums of all items in order, for one i.
 * Grid: accumulate (ITEMS), to which the tiles of all blocks are dealt; finish (TO_MAPS).
 * Group: one item, V = LANES.   Memory: none shared; `seen` and `sums` have a part for each item.
 * Defines: those of prelude.h, winograd.h, slopes.h; FROM_MAPS FROM_HEIGHT FROM_WIDTH of the input, TO_MAPS TO_HEIGHT TO_WIDTH of delta; BORDER_Y
 *          BORDER_X; BIASES; ITEMS, on which bits depend. Free, and of equal bits: MAPS_TILE <= TO_MAPS, COLUMNS_TILE <= ACROSS * LANES / BROAD, RUN.
 */
#include "prelude.h"
#include "lanes.h"
#include "exchange.h"
#define ROWS_TILE MAPS_TILE
#define VECTORS_TILE COLUMNS_TILE
#include "winograd.h"
#include "slopes.h"

/* Vectors of maps j, in whole broad ones. */
#define ACROSS (TILES(FROM_MAPS, BROAD) * (BROAD / LANES))
#define DEPTH (RUN * LANES)
#define TILES_OF_ROW TILES(TO_WIDTH, MADE)
#define TILES_OF_BLOCK (TILES(TO_HEIGHT, MADE) * TILES_OF_ROW)
/* What belongs to a position; a broad vector more, since caches hold few lines whose distance is a power of two. */
#define VALUES (DEPTH * ACROSS * LANES + BROAD)
#define DELTAS (TO_MAPS * DEPTH + BROAD)
#define PRODUCTS ((INDEX)POSITIONS * TO_MAPS * ACROSS)
#define SUMS ((PRODUCTS + TO_MAPS) * LANES)

/* Positions of LANES maps from map `c` LANES on, at the tile whose first value is (y, x), turned over into values[p][.][c] of `count` samples. */
INLINED void form_values(GLOBAL REAL* values, GLOBAL const REAL* from, const int c, const int y, const int x, const int count)
{
    REALV seen[POSITIONS][LANES];
    NOT_UNROLLED(n, LANES) {
        REALV p[POSITIONS];
        const int j = c * LANES + n < FROM_MAPS ? c * LANES + n : FROM_MAPS - 1; /* what is beyond is never written */
        see_tile(p, from + AT((INDEX)j * FROM_HEIGHT * FROM_WIDTH), y, x);
        UNROLLED(k, POSITIONS) seen[k][n] = p[k];
    }
    NOT_UNROLLED(k, POSITIONS) {
        REALV each[LANES], turned[LANES];
        UNROLLED(n, LANES) each[n] = seen[k][n];
        EXCHANGE_LANES(turned, each);
        UNROLLED(s, LANES) if (s < count) STOREV(turned[s], values, k * VALUES + (s * ACROSS + c) * LANES);
    }
}

/* A delta A^T of the tile whose first output is (y, x), into deltas[p]; the sum of its outputs is added to `bias`. */
INLINED void form_deltas(GLOBAL REAL* deltas, GLOBAL const REAL* plane, GLOBAL REAL* bias, const int y, const int x)
{
    REALV d[MADE * MADE], p[POSITIONS], sum = LOADV(bias, 0);
    load_tile(d, plane, y, x, MADE, TO_HEIGHT, TO_WIDTH);
    UNROLLED(n, MADE * MADE) sum += d[n];
    STOREV(sum, bias, 0);
    BOTH_WAYS(SPREAD, p, d, SIDE, MADE);
    UNROLLED(k, POSITIONS) STOREV(p[k], deltas, k * DELTAS);
}

ONE_ITEM_A_BLOCK KERNEL void accumulate(GLOBAL const REAL* RESTRICT from, GLOBAL const REAL* RESTRICT delta, int samples,
                                        GLOBAL REAL* RESTRICT seen, GLOBAL REAL* RESTRICT sums)
{
    const int item = GROUP_ID(0);
    const INDEX tiles = (INDEX)TILES(samples, LANES) * TILES_OF_BLOCK, last = tiles * (item + 1) / ITEMS;
    GLOBAL REAL* values = seen + (INDEX)item * POSITIONS * (VALUES + DELTAS);
    GLOBAL REAL* deltas = values + POSITIONS * VALUES;
    sums += item * SUMS;
    for (INDEX n = 0; n < PRODUCTS + TO_MAPS; ++n) STOREV((REALV)(0), sums, AT(n));

    for (INDEX tile0 = tiles * item / ITEMS; tile0 < last;) {
        const int block = (int)(tile0 / TILES_OF_BLOCK), begin = (int)(tile0 % TILES_OF_BLOCK), count = SAMPLES_OF(block, samples);
        const INDEX left = last - tile0 < TILES_OF_BLOCK - begin ? last - tile0 : TILES_OF_BLOCK - begin;
        const int run = left < RUN ? (int)left : RUN;
        GLOBAL const REAL* planes = from + AT((INDEX)block * FROM_MAPS * FROM_HEIGHT * FROM_WIDTH);
        GLOBAL const REAL* slopes = delta + AT((INDEX)block * TO_MAPS * TO_HEIGHT * TO_WIDTH);
        for (int t = 0; t < run; ++t) {
            const int y = (begin + t) / TILES_OF_ROW * MADE, x = (begin + t) % TILES_OF_ROW * MADE;
            NOT_UNROLLED(c, ACROSS)
                form_values(values + AT(t * count * ACROSS), planes, c, y - BORDER_Y, x - BORDER_X, count);
            /* Lanes that hold no sample are written over by the next tile's. */
            NOT_UNROLLED(i, TO_MAPS)
                form_deltas(deltas + (INDEX)i * DEPTH + t * count, slopes + AT((INDEX)i * TO_HEIGHT * TO_WIDTH), sums + AT(PRODUCTS + i), y, x);
        }
        for (int p = 0; p < POSITIONS; ++p)
            multiply(sums + AT((INDEX)p * TO_MAPS * ACROSS), deltas + p * DELTAS, DEPTH, 1, values + p * VALUES, TO_MAPS, ACROSS * LANES / BROAD, run * count, 1);
        tile0 += run;
    }
}

ONE_ITEM_A_BLOCK KERNEL void finish(GLOBAL const REAL* RESTRICT sums, GLOBAL REAL* RESTRICT gradient, INDEX theta0, int add UPDATE_PARAMETERS)
{
    const int i = GROUP_ID(0);
    for (int c = 0; c < ACROSS; ++c) {
        REALV m[POSITIONS], taps[TAPS];
        UNROLLED(p, POSITIONS) m[p] = (REALV)(0);
        for (int item = 0; item < ITEMS; ++item)
            UNROLLED(p, POSITIONS) m[p] += LOADV(sums, item * SUMS + AT(((INDEX)p * TO_MAPS + i) * ACROSS + c));
        BOTH_WAYS(NARROW, taps, m, TAPS_SIDE, SIDE);
        REAL each[TAPS * LANES];
        UNROLLED(u, TAPS) STOREV(taps[u], each, u * LANES);
        for (int n = 0; n < LANES && c * LANES + n < FROM_MAPS; ++n)
            NOT_UNROLLED(u, TAPS)
                GIVE(each[u * LANES + n], gradient, theta0 + ((INDEX)i * FROM_MAPS + c * LANES + n) * TAPS + u, add);
    }
    WIDE bias = 0;
    for (int item = 0; item < ITEMS; ++item) bias += SUMV(TO_WIDEV(LOADV(sums, item * SUMS + AT(PRODUCTS + i))));
    GIVE(bias, gradient, theta0 + BIASES + i, add);
}
