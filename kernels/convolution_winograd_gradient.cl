/* Convolution with 3x3 taps and strides of 1, gradient by its parameters (Hedberg 2015, Eqs. 76-81), by Winograd's algorithm turned round:
 * four ninths of the multiplications. winograd.h and convolution_winograd.cl have the matrices.
 *
 *   accumulate   M[p][i][j] = sum over tiles of 2x2 outputs and samples of (A delta_i A^T)[p] (B^T d_j B)[p], for the 16 positions p
 *   finish       dw_ij = G^T M[.][i][j] G,   db_i = sum over samples and x of delta_i(x)
 *
 * Lanes without a sample must hold a delta of 0 and finite inputs.
 * Work: an item of accumulate takes rows of tiles, RUN tiles at a time. It turns the inputs' positions over, so that lanes are maps j, and
 * sums need no reduction: values[p][tile, sample][j], deltas[p][i][tile, sample]. Then for every p it adds a product of matrices to its own
 * sums, MAPS_TILE maps i by COLUMNS_TILE vectors of maps j at a time. An item of finish adds the sums of all items in order, for one i.
 * Grid: accumulate (ITEMS), to which the rows of all blocks are dealt; finish (TO_MAPS).
 * Group: one item, V = LANES.   Memory: none shared; `seen` and `sums` have a part for each item.
 * Defines: those of prelude.h; FROM_MAPS FROM_HEIGHT FROM_WIDTH of the input, TO_MAPS TO_HEIGHT TO_WIDTH of delta; BORDER_Y BORDER_X; BIASES;
 *          ITEMS, on which bits depend. Free, and of equal bits: MAPS_TILE <= TO_MAPS, COLUMNS_TILE <= ACROSS, RUN.
 */
#include "prelude.h"
#include "lanes.h"
#include "exchange.h"
#include "winograd.h"

#define ACROSS TILES(FROM_MAPS, LANES)
#define DEPTH (RUN * LANES)
#define TILE_ROWS TILES(TO_HEIGHT, MADE)
#define TILES_OF_ROW TILES(TO_WIDTH, MADE)
/* What belongs to a position; a vector more, since caches hold few lines whose distance is a power of two. */
#define VALUES (DEPTH * ACROSS * LANES + LANES)
#define DELTAS (TO_MAPS * DEPTH + LANES)
#define PRODUCTS ((INDEX)POSITIONS * TO_MAPS * ACROSS)
#define SUMS ((PRODUCTS + TO_MAPS) * LANES)

/* Positions of LANES maps from map `j0` on, at the tile whose first value is (y, x), turned over into values[p][.][c]. */
INLINED void form_values(GLOBAL REAL* values, GLOBAL const REAL* from, const int j0, const int c, const int y, const int x)
{
    REALV seen[POSITIONS][LANES];
    NOT_UNROLLED(n, LANES) {
        REALV p[POSITIONS];
        const int j = j0 + n < FROM_MAPS ? j0 + n : FROM_MAPS - 1; /* what is beyond is never written */
        positions_of(p, from + AT((INDEX)j * FROM_HEIGHT * FROM_WIDTH), y, x);
        UNROLLED(k, POSITIONS) seen[k][n] = p[k];
    }
    NOT_UNROLLED(k, POSITIONS) {
        REALV each[LANES], turned[LANES];
        UNROLLED(n, LANES) each[n] = seen[k][n];
        EXCHANGE_LANES(turned, each);
        UNROLLED(s, LANES) STOREV(turned[s], values, k * VALUES + (s * ACROSS + c) * LANES);
    }
}

/* A delta A^T of the tile whose first output is (y, x), into deltas[p]; the sum of its outputs is added to `bias`. */
INLINED void form_deltas(GLOBAL REAL* deltas, GLOBAL const REAL* plane, GLOBAL REAL* bias, const int y, const int x)
{
    REALV d[MADE][MADE], p[POSITIONS], turned[SIDE][MADE];
    if (y + MADE <= TO_HEIGHT && x + MADE <= TO_WIDTH) {
        UNROLLED(r, MADE) UNROLLED(c, MADE) d[r][c] = LOADV(plane, AT((y + r) * TO_WIDTH + x + c));
    } else {
        UNROLLED(r, MADE) UNROLLED(c, MADE) {
            d[r][c] = (REALV)(0);
            if (y + r < TO_HEIGHT && x + c < TO_WIDTH) d[r][c] = LOADV(plane, AT((y + r) * TO_WIDTH + x + c));
        }
    }
    STOREV(LOADV(bias, 0) + ((d[0][0] + d[0][1]) + (d[1][0] + d[1][1])), bias, 0);
    UNROLLED(c, MADE) {
        turned[0][c] = d[0][c];
        turned[1][c] = d[0][c] + d[1][c];
        turned[2][c] = d[0][c] - d[1][c];
        turned[3][c] = -d[1][c];
    }
    UNROLLED(r, SIDE) {
        p[r * SIDE] = turned[r][0];
        p[r * SIDE + 1] = turned[r][0] + turned[r][1];
        p[r * SIDE + 2] = turned[r][0] - turned[r][1];
        p[r * SIDE + 3] = -turned[r][1];
    }
    UNROLLED(k, POSITIONS) STOREV(p[k], deltas, k * DELTAS);
}

/* Add the product of matrices of one position to its sums [i][j]. */
INLINED void add_products(GLOBAL REAL* sums, GLOBAL const REAL* deltas, GLOBAL const REAL* values)
{
    for (int i = 0; i < TO_MAPS; i += MAPS_TILE) {
        const int i0 = TILE_BACK(i, MAPS_TILE, TO_MAPS);
        for (int c = 0; c < ACROSS; c += COLUMNS_TILE) {
            const int c0 = TILE_BACK(c, COLUMNS_TILE, ACROSS);
            REALV sum[MAPS_TILE][COLUMNS_TILE];
            UNROLLED(m, MAPS_TILE) UNROLLED(n, COLUMNS_TILE) sum[m][n] = LOADV(sums, AT((INDEX)(i0 + m) * ACROSS + c0 + n));
            for (int k = 0; k < DEPTH; ++k) {
                REALV seen[COLUMNS_TILE];
                UNROLLED(n, COLUMNS_TILE) seen[n] = LOADV(values, AT((INDEX)k * ACROSS + c0 + n));
                UNROLLED(m, MAPS_TILE) {
                    const REALV d = (REALV)(deltas[(INDEX)(i0 + m) * DEPTH + k]);
                    UNROLLED(n, COLUMNS_TILE) sum[m][n] = FMA(d, seen[n], sum[m][n]);
                }
            }
            UNROLLED(m, MAPS_TILE) UNROLLED(n, COLUMNS_TILE)
                if (i0 + m >= i && c0 + n >= c) STOREV(sum[m][n], sums, AT((INDEX)(i0 + m) * ACROSS + c0 + n));
        }
    }
}

ONE_ITEM_A_BLOCK KERNEL void accumulate(GLOBAL const REAL* RESTRICT from, GLOBAL const REAL* RESTRICT delta, int blocks,
                                        GLOBAL REAL* RESTRICT seen, GLOBAL REAL* RESTRICT sums)
{
    const int item = GROUP_ID(0);
    const INDEX rows = (INDEX)blocks * TILE_ROWS, last = rows * (item + 1) / ITEMS;
    GLOBAL REAL* values = seen + (INDEX)item * POSITIONS * (VALUES + DELTAS);
    GLOBAL REAL* deltas = values + POSITIONS * VALUES;
    sums += item * SUMS;
    for (INDEX n = 0; n < PRODUCTS + TO_MAPS; ++n) STOREV((REALV)(0), sums, AT(n));

    for (INDEX row = rows * item / ITEMS; row < last; ++row) {
        const int block = (int)(row / TILE_ROWS), y = (int)(row % TILE_ROWS) * MADE;
        GLOBAL const REAL* planes = from + AT((INDEX)block * FROM_MAPS * FROM_HEIGHT * FROM_WIDTH);
        GLOBAL const REAL* slopes = delta + AT((INDEX)block * TO_MAPS * TO_HEIGHT * TO_WIDTH);
        for (int tile0 = 0; tile0 < TILES_OF_ROW; tile0 += RUN) {
            NOT_UNROLLED(n, RUN * ACROSS) {
                const int t = n / ACROSS, c = n % ACROSS;
                form_values(values + AT(t * LANES * ACROSS), planes, c * LANES, c, y - BORDER_Y, (tile0 + t) * MADE - BORDER_X);
            }
            NOT_UNROLLED(n, RUN * TO_MAPS) {
                const int i = n / RUN, t = n % RUN;
                form_deltas(deltas + (INDEX)i * DEPTH + t * LANES, slopes + AT((INDEX)i * TO_HEIGHT * TO_WIDTH),
                            sums + AT(PRODUCTS + i), y, (tile0 + t) * MADE);
            }
            for (int p = 0; p < POSITIONS; ++p)
                add_products(sums + AT((INDEX)p * TO_MAPS * ACROSS), deltas + p * DELTAS, values + p * VALUES);
        }
    }
}

ONE_ITEM_A_BLOCK KERNEL void finish(GLOBAL const REAL* RESTRICT sums, GLOBAL REAL* RESTRICT gradient, INDEX theta0, int add)
{
    const int i = GROUP_ID(0);
    for (int c = 0; c < ACROSS; ++c) {
        REALV m[POSITIONS], turned[3][SIDE], taps[TAPS];
        UNROLLED(p, POSITIONS) m[p] = (REALV)(0);
        for (int item = 0; item < ITEMS; ++item)
            UNROLLED(p, POSITIONS) m[p] += LOADV(sums, item * SUMS + AT(((INDEX)p * TO_MAPS + i) * ACROSS + c));
        UNROLLED(s, SIDE) {
            turned[0][s] = m[s] + REALC(0.5) * (m[4 + s] + m[8 + s]);
            turned[1][s] = REALC(0.5) * (m[4 + s] - m[8 + s]);
            turned[2][s] = REALC(0.5) * (m[4 + s] + m[8 + s]) + m[12 + s];
        }
        UNROLLED(r, 3) {
            taps[r * 3] = turned[r][0] + REALC(0.5) * (turned[r][1] + turned[r][2]);
            taps[r * 3 + 1] = REALC(0.5) * (turned[r][1] - turned[r][2]);
            taps[r * 3 + 2] = REALC(0.5) * (turned[r][1] + turned[r][2]) + turned[r][3];
        }
        REAL each[TAPS * LANES];
        UNROLLED(u, TAPS) STOREV(taps[u], each, u * LANES);
        for (int n = 0; n < LANES && c * LANES + n < FROM_MAPS; ++n)
            NOT_UNROLLED(u, TAPS)
                PUT(each[u * LANES + n], gradient, theta0 + ((INDEX)i * FROM_MAPS + c * LANES + n) * TAPS + u, add);
    }
    WIDE bias = 0;
    for (int item = 0; item < ITEMS; ++item) bias += SUMV(TO_WIDEV(LOADV(sums, item * SUMS + AT(PRODUCTS + i))));
    PUT(bias, gradient, theta0 + BIASES + i, add);
}
