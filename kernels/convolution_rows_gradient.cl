/* Convolution, gradient by its parameters (Hedberg 2015, Eqs. 76-81), by minimal algorithms for rows of taps (rows.h).
 *
 *   dw_ij[uz][uy] = NARROW(sum over samples and rows of outputs of slopes[.][i][oz][oy] seen[.][j][k oz + uz - p][k oy + uy - p])
 *   db_i = sum over samples and outputs of delta_i
 *
 * where slopes are SPREAD of delta. Lanes without a sample must hold a delta of 0 and finite values.
 * Work: an item computes MAPS_TILE x INPUTS_TILE kernels, of one plane of taps, and the first of a map its bias. It takes ROWS_RUN rows of outputs
 * at a time: it forms the slopes of its maps, then adds up point by point, so that what it reads is in the first cache for all its inputs.
 * Grid: (map tiles * input tiles * TAPS_Z), maps slowest. The last tiles are moved back.
 * Group: one item, V = LANES.   Memory: none shared.
 * Defines: those of prelude.h, convolution.h without SHARED_KERNELS, rows.h, slopes.h; ROWS_RUN. Free, and of equal bits: MAPS_TILE <= OUT_MAPS,
 *          INPUTS_TILE <= IN_MAPS.
 */
#include "prelude.h"
#include "convolution.h"
#include "rows.h"
#include "lanes.h"
#include "exchange.h"
#include "slopes.h"

#define INPUT_TILES TILES(IN_MAPS, INPUTS_TILE)
/* Of one map. */
#define KERNELS_TILE (INPUTS_TILE * TAPS_Y * TAPS_X)

/* Rows of outputs are counted through all planes of all blocks. */
#define BLOCK_OF(row) ((row) / (OUT_HEIGHT * OUT_DEPTH))
#define PLANE_OF(row) ((int)((row) / OUT_HEIGHT % OUT_DEPTH))
#define LINE_OF(row) ((int)((row) % OUT_HEIGHT))
/* Where a row of delta begins, of map i. */
#define DELTA_AT(row, i) \
    AT(((BLOCK_OF(row) * OUT_MAPS + (i)) * OUT_DEPTH + PLANE_OF(row)) * OUT_HEIGHT * OUT_WIDTH + (INDEX)LINE_OF(row) * OUT_WIDTH)

/* The slopes of so many rows of outputs at all points. */
INLINED void form_slopes(REALV slopes[POINTS][ROWS_RUN][TILES_OF_ROW][MAPS_TILE], GLOBAL const REAL* delta, const int i0, const INDEX row0,
                         const int rows)
{
    NOT_UNROLLED(r, rows) NOT_UNROLLED(m, MAPS_TILE) {
        GLOBAL const REAL* line = delta + DELTA_AT(row0 + r, i0 + m);
        NOT_UNROLLED(t, TILES_OF_ROW) {
            REALV d[MADE], p[POINTS];
            load_slopes(d, line, t);
            SPREAD(p, d);
            UNROLLED(k, POINTS) slopes[k][r][t][m] = p[k];
        }
    }
}

/* Which maps of a tile read input j: a bit a map. */
#if defined(KERNEL_OFFSETS) || KERNEL_LIST
DEVICE int maps_in_use(const int i0, const int j OFFSETS)
{
    int used = 0;
    UNROLLED(m, MAPS_TILE) used |= CONNECTED(KERNEL_AT(i0 + m, j)) << m;
    return used;
}
#define IN_USE_AT(m, used) ((used) & 1 << (m))
#else
#define maps_in_use(...) 0
#define IN_USE_AT(m, used) 1
#endif

/* Add to the sums what so many rows of outputs give with input j, of which `seen` holds point p. */
INLINED void add_rows(REALV sum[MAPS_TILE][TAPS_Y], REALV slopes[ROWS_RUN][TILES_OF_ROW][MAPS_TILE], GLOBAL const REAL* seen, const int j,
                      const int uz, const INDEX row0, const int rows, const int used)
{
    for (int r = 0; r < rows; ++r) {
        const INDEX row = row0 + r;
        const int iz = PLANE_OF(row) * STRIDE_Z + uz - PAD_Z, iy = LINE_OF(row) * STRIDE_Y - PAD_Y;
        if (LEAVES_Z && !INSIDE(iz, IN_DEPTH)) continue;
        GLOBAL const REAL* lines = seen + BLOCK_OF(row) * SEEN_BLOCK + SEEN_AT(j, iz, iy);
        UNROLLED(t, TILES_OF_ROW) {
            REALV values[TAPS_Y];
            UNROLLED(uy, TAPS_Y) {
                values[uy] = (REALV)(0);
                if (!LEAVES_Y || INSIDE(iy + uy, IN_HEIGHT)) values[uy] = LOADV(lines, AT(uy * TILES_OF_ROW + t));
            }
            UNROLLED(m, MAPS_TILE) {
                if (!IN_USE_AT(m, used)) continue;
                UNROLLED(uy, TAPS_Y) sum[m][uy] = FMA(slopes[r][t][m], values[uy], sum[m][uy]);
            }
        }
    }
}

/* Lane n := the sum of the lanes of x[n]. */
INLINED REALV lane_sums(const REALV x[LANES])
{
    REALV each[LANES], turned[LANES];
    UNROLLED(n, LANES) each[n] = x[n];
    EXCHANGE_LANES(turned, each);
    UNROLLED(n, LANES / 2) turned[n] += turned[n + LANES / 2];
    UNROLLED(n, LANES / 2 - 1) turned[0] += turned[n + 1];
    return turned[0];
}

/* Neighbouring columns have sums of their own, so that no addition waits for the one before. */
#define BIAS_SUMS 4
INLINED WIDE sum_bias(GLOBAL const REAL* delta, const int i, const INDEX count)
{
    REALV sum[BIAS_SUMS];
    UNROLLED(k, BIAS_SUMS) sum[k] = (REALV)(0);
    for (INDEX row = 0; row < count; ++row)
        for (int x = 0; x < OUT_WIDTH; x += BIAS_SUMS)
            UNROLLED(k, BIAS_SUMS)
            if (OUT_WIDTH % BIAS_SUMS == 0 || x + k < OUT_WIDTH) sum[k] += LOADV(delta, DELTA_AT(row, i) + AT(x + k));
    UNROLLED(k, BIAS_SUMS - 1) sum[0] += sum[k + 1];
    return SUMV(TO_WIDEV(sum[0]));
}

ONE_ITEM_A_BLOCK KERNEL void gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT seen, int samples,
                                      GLOBAL REAL* RESTRICT gradient, INDEX theta0, int add OFFSETS UPDATE_PARAMETERS)
{
    int item = GROUP_ID(0);
    const int uz = item % TAPS_Z;
    item /= TAPS_Z;
    const int own_j = item % INPUT_TILES * INPUTS_TILE, own_i = item / INPUT_TILES * MAPS_TILE;
    const int i0 = TILE_BACK(own_i, MAPS_TILE, OUT_MAPS), j0 = TILE_BACK(own_j, INPUTS_TILE, IN_MAPS);
    const INDEX count = (INDEX)OUT_DEPTH * OUT_HEIGHT * TILES(samples, LANES);

    REALV sums[INPUTS_TILE][POINTS][MAPS_TILE][TAPS_Y];
    /* Also where there are no rows, of which the sums are 0. */
    for (INDEX row0 = 0; row0 == 0 || row0 < count; row0 += ROWS_RUN) {
        const int rows = count - row0 < ROWS_RUN ? (int)(count - row0) : ROWS_RUN;
        REALV slopes[POINTS][ROWS_RUN][TILES_OF_ROW][MAPS_TILE];
        form_slopes(slopes, delta, i0, row0, rows);
        NOT_UNROLLED(p, POINTS) {
            NOT_UNROLLED(j, INPUTS_TILE) {
                REALV sum[MAPS_TILE][TAPS_Y];
                UNROLLED(m, MAPS_TILE) UNROLLED(uy, TAPS_Y) sum[m][uy] = row0 == 0 ? (REALV)(0) : sums[j][p][m][uy];
                add_rows(sum, slopes[p], seen + p * SEEN_POINT, j0 + j, uz, row0, rows, maps_in_use(i0, j0 + j THE_OFFSETS));
                UNROLLED(m, MAPS_TILE) UNROLLED(uy, TAPS_Y) sums[j][p][m][uy] = sum[m][uy];
            }
        }
    }
    NOT_UNROLLED(m, MAPS_TILE) {
        if (i0 + m < own_i) continue;
        REALV weights[KERNELS_TILE + LANES];
        INDEX at[KERNELS_TILE];
        int found = 0;
        NOT_UNROLLED(n, INPUTS_TILE * TAPS_Y) {
            const int j = n / TAPS_Y, uy = n % TAPS_Y, kernel_at = KERNEL_AT(i0 + m, j0 + j);
            if (j0 + j < own_j || !CONNECTED(kernel_at)) continue;
            REALV p[POINTS], taps[TAPS_X];
            UNROLLED(k, POINTS) p[k] = sums[j][k][m][uy];
            NARROW(taps, p);
            UNROLLED(u, TAPS_X) {
                weights[found + u] = taps[u];
                at[found + u] = theta0 + kernel_at + (INDEX)(uz * TAPS_Y + uy) * TAPS_X + u;
            }
            found += TAPS_X;
        }
        NOT_UNROLLED(n, LANES) weights[found + n] = (REALV)(0);
        for (int first = 0; first < found; first += LANES) {
            const REALV slopes = lane_sums(weights + first);
            const int given = found - first < LANES ? found - first : LANES;
            if (given == LANES && at[first + LANES - 1] - at[first] == LANES - 1) {
                GIVEB(slopes, gradient, at[first], add);
            } else {
                REAL each[LANES];
                STOREV(slopes, each, 0);
                NOT_UNROLLED(n, given) GIVE(each[n], gradient, at[first + n], add);
            }
        }
        if (own_j == 0 && uz == 0) GIVE(sum_bias(delta, i0 + m, count), gradient, theta0 + BIASES + i0 + m, add);
    }
}
