/* Weighted sub-sampling (Hedberg 2015, Eqs. 86-97, Table 6), lanes are samples.
 *
 *   S_j(x) = sum over u < K of y_j(K x + u)           kept for the way back
 *   z_i(x) = b_i + sum over j in D_i of alpha_ij S_j(x),   y = phi(z)
 *   backpropagate     dy_j(K x + u) = sum over i in C_j of alpha_ij delta_i(x); 0 where no complete window is
 *   gradient          dalpha_ij = sum over samples and x of delta_i(x) S_j(x);   db_i = sum of delta_i(x)
 *   sample_gradient   the same without the sum over samples: row s of `rows`, `width` long, gets sample s
 *
 *   forward           S, z and y at once, where map i reads map i alone
 *   window_sums, mix_sums   S of all input maps, then z and y; for a table
 *   block_gradient, add_blocks   the gradient by way of `partials`, a sum over the samples of each block, in order: the same bits
 *
 * With SINGLE weights alpha_ij = alpha_i, whose slope is the sum over D_i (Eqs. 87, 93, 96); a map without inputs has none.
 * Lists: connection k, first[i] <= k < first[i + 1], of output map i reads map source[k] with theta's weight[k]. Input map j
 * feeds maps out_map[k] with weights out_weight[k], out_first[j] <= k < out_first[j + 1]. In theta, from theta0 on: WEIGHTS
 * weights in order of their first connection, then OUT_MAPS biases.
 * Layouts, rows: windows.h; S as y, with the input maps; partials [block][parameter] in WIDE.
 * Grid: forward (tiles of ROWS_TILE output rows, blocks), window_sums the same for the rows of S; backpropagate (tiles of
 * ROWS_TILE input rows, blocks); mix_sums (tiles of POINTS_TILE points of a map, output maps, blocks); gradient, for V > 1, (tiles of
 * SLOPES weights of a map, output maps); block_gradient and sample_gradient (the same, blocks); add_blocks (tiles of SLOPES parameters an item).
 * Group: LANES / V items on axis 0.
 * Defines: those of windows.h, slopes.h; WEIGHTS SINGLE SAVE_Z; ACTIVATION; POINTS_TILE WEIGHTS_TILE, which are free like ROWS_TILE: any
 * from 1 on give equal bits.
 */
#include "prelude.h"
#include "activations.h"
#include "lanes.h"
#include "windows.h"
#include "slopes.h"

/* Weights that an item takes: a single weight's connections are one sum. */
#define SLOPES (SINGLE ? 1 : WEIGHTS_TILE)
#define PARAMETERS (WEIGHTS + OUT_MAPS)
#define BIASES (theta0 + WEIGHTS)
/* The slopes of a map's weights; and where S is, in the rows of an output map. */
#define SLOPES_OF(i) (SINGLE ? first[i + 1] > first[i] : first[i + 1] - first[i])
#define SUM_AT(block, map, point) AT(((INDEX)(block) * IN_MAPS + (map)) * OUT_POINTS + (point))
#define POINT_AT(block, map, point) AT(((INDEX)(block) * OUT_MAPS + (map)) * OUT_POINTS + (point))
#define SUM_ROWS (IN_MAPS * OUT_DEPTH * OUT_HEIGHT)

DEVICE REALV WINDOW_SUM(GLOBAL const REAL* y_in, int block, int map, int wz, int wy, int wx)
{
    REALV sum = (REALV)(0);
    EACH_CELL(uz, uy, ux)
        sum += LOADV(y_in, IN_AT(block, map, wz * WINDOW_Z + uz, wy * WINDOW_Y + uy, wx * WINDOW_X + ux));
    return sum;
}

DEVICE void FINISH(REALV sum, GLOBAL REAL* z, GLOBAL REAL* y, INDEX at)
{
#if SAVE_Z
    STOREV(sum, z, at);
#endif
    STOREV(PHI(sum), y, at);
}

KERNEL void forward(GLOBAL const REAL* RESTRICT y_in, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                    GLOBAL REAL* RESTRICT sums, GLOBAL REAL* RESTRICT z, GLOBAL REAL* RESTRICT y)
{
    const int block = GROUP_ID(1);
    EACH_ROW(row, OUT_ROWS) {
        const int map = MAP_OF(row, OUT_DEPTH, OUT_HEIGHT);
        const int wz = Z_OF(row, OUT_DEPTH, OUT_HEIGHT), wy = Y_OF(row, OUT_HEIGHT);
        const REALV alpha = (REALV)(theta[theta0 + map]), bias = (REALV)(theta[BIASES + map]);
        for (int wx = 0; wx < OUT_WIDTH; ++wx) {
            const REALV sum = WINDOW_SUM(y_in, block, map, wz, wy, wx);
            const INDEX at = OUT_AT(block, map, wz, wy, wx);
            STOREV(sum, sums, at);
            FINISH(FMA(alpha, sum, bias), z, y, at);
        }
    }
}

KERNEL void window_sums(GLOBAL const REAL* RESTRICT y_in, GLOBAL REAL* RESTRICT sums)
{
    const int block = GROUP_ID(1);
    EACH_ROW(row, SUM_ROWS) {
        const int map = MAP_OF(row, OUT_DEPTH, OUT_HEIGHT);
        const int wz = Z_OF(row, OUT_DEPTH, OUT_HEIGHT), wy = Y_OF(row, OUT_HEIGHT);
        for (int wx = 0; wx < OUT_WIDTH; ++wx) {
            const INDEX at = SUM_AT(block, map, (wz * OUT_HEIGHT + wy) * OUT_WIDTH + wx);
            STOREV(WINDOW_SUM(y_in, block, map, wz, wy, wx), sums, at);
        }
    }
}

KERNEL void mix_sums(GLOBAL const REAL* RESTRICT sums, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                     GLOBAL const int* RESTRICT first, GLOBAL const int* RESTRICT source, GLOBAL const int* RESTRICT weight,
                     GLOBAL REAL* RESTRICT z, GLOBAL REAL* RESTRICT y)
{
    const int point0 = GROUP_ID(0) * POINTS_TILE, i = GROUP_ID(1), block = GROUP_ID(2);
    REALV sum[POINTS_TILE];
    for (int p = 0; p < POINTS_TILE; ++p) sum[p] = (REALV)(theta[BIASES + i]);
    for (int k = first[i]; k < first[i + 1]; ++k) {
        const REALV alpha = (REALV)(theta[theta0 + weight[k]]);
        for (int p = 0; p < POINTS_TILE; ++p)
            if (point0 + p < OUT_POINTS) sum[p] = FMA(alpha, LOADV(sums, SUM_AT(block, source[k], point0 + p)), sum[p]);
    }
    for (int p = 0; p < POINTS_TILE; ++p)
        if (point0 + p < OUT_POINTS) FINISH(sum[p], z, y, POINT_AT(block, i, point0 + p));
}

KERNEL void backpropagate(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                          GLOBAL const int* RESTRICT out_first, GLOBAL const int* RESTRICT out_map,
                          GLOBAL const int* RESTRICT out_weight, GLOBAL REAL* RESTRICT dy_in)
{
    const int block = GROUP_ID(1);
    EACH_ROW(row, IN_ROWS) {
        const int map = MAP_OF(row, WINDOWS_Z, WINDOWS_Y);
        const int wz = Z_OF(row, WINDOWS_Z, WINDOWS_Y), wy = Y_OF(row, WINDOWS_Y);
        for (int wx = 0; wx < WINDOWS_X; ++wx) {
            REALV share = (REALV)(0);
            if (HAS_OUTPUT(wz, wy, wx))
                for (int k = out_first[map]; k < out_first[map + 1]; ++k)
                    share = FMA((REALV)(theta[theta0 + out_weight[k]]),
                                LOADV(delta, OUT_AT(block, out_map[k], wz, wy, wx)), share);
            EACH_CELL(uz, uy, ux) {
                const int z = wz * WINDOW_Z + uz, y = wy * WINDOW_Y + uy, x = wx * WINDOW_X + ux;
                if (IN_MAP(z, y, x)) STOREV(share, dy_in, IN_AT(block, map, z, y, x));
            }
        }
    }
}

/* The slopes of weights k0 to k0 + SLOPES - 1 of output map i, and of its bias, over the points of a block. Rows are added in
 * WIDE, so that large maps lose nothing. */
DEVICE void SUM_SLOPES(WIDEV slopes[SLOPES], WIDEV* bias, GLOBAL const REAL* delta, GLOBAL const REAL* sums,
                       GLOBAL const int* first, GLOBAL const int* source, int k0, int i, int block)
{
    for (int k = 0; k < SLOPES; ++k) slopes[k] = (WIDEV)(0);
    *bias = (WIDEV)(0);
    for (int row = 0; row < OUT_DEPTH * OUT_HEIGHT; ++row) {
        REALV part[SLOPES], part_of_bias = (REALV)(0);
        for (int k = 0; k < SLOPES; ++k) part[k] = (REALV)(0);
        for (int point = row * OUT_WIDTH; point < (row + 1) * OUT_WIDTH; ++point) {
            const REALV d = LOADV(delta, POINT_AT(block, i, point));
            part_of_bias += d;
#if SINGLE
            for (int k = first[i]; k < first[i + 1]; ++k)
                part[0] = FMA(d, LOADV(sums, SUM_AT(block, source[k], point)), part[0]);
#else
            for (int k = 0; k < SLOPES; ++k)
                if (k0 + k < SLOPES_OF(i))
                    part[k] = FMA(d, LOADV(sums, SUM_AT(block, source[first[i] + k0 + k], point)), part[k]);
#endif
        }
        for (int k = 0; k < SLOPES; ++k) slopes[k] += TO_WIDEV(part[k]);
        *bias += TO_WIDEV(part_of_bias);
    }
}

#if V > 1 /* where threads are lanes, sums of lanes in a loop over blocks end both runtimes' compilers */
KERNEL void gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT sums, GLOBAL const int* RESTRICT first,
                     GLOBAL const int* RESTRICT source, GLOBAL const int* RESTRICT weight, int blocks,
                     GLOBAL REAL* RESTRICT gradient, INDEX theta0, int add UPDATE_PARAMETERS)
{
    const int k0 = GROUP_ID(0) * SLOPES, i = GROUP_ID(1);
    WIDE total[SLOPES], total_of_bias = 0;
    for (int k = 0; k < SLOPES; ++k) total[k] = 0;
    for (int block = 0; block < blocks; ++block) {
        WIDEV slopes[SLOPES], bias;
        SUM_SLOPES(slopes, &bias, delta, sums, first, source, k0, i, block);
        for (int k = 0; k < SLOPES; ++k) total[k] += SUMV(slopes[k]);
        total_of_bias += SUMV(bias);
    }
    const int existing = SLOPES_OF(i) - k0;
    for (int k = 0; k < SLOPES; ++k)
        if (k < existing) GIVE(total[k], gradient, theta0 + weight[first[i] + k0 + k], add);
    if (k0 == 0) GIVE(total_of_bias, gradient, BIASES + i, add);
}
#endif

KERNEL void block_gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT sums,
                           GLOBAL const int* RESTRICT first, GLOBAL const int* RESTRICT source,
                           GLOBAL const int* RESTRICT weight, GLOBAL WIDE* RESTRICT partials)
{
    LANE_SCRATCH(scratch);
    const int k0 = GROUP_ID(0) * SLOPES, i = GROUP_ID(1), block = GROUP_ID(2);
    WIDEV slopes[SLOPES], bias;
    SUM_SLOPES(slopes, &bias, delta, sums, first, source, k0, i, block);
    partials += (INDEX)block * PARAMETERS;
    const int existing = SLOPES_OF(i) - k0;
    for (int k = 0; k < SLOPES; ++k) {
        const WIDE total = LANE_SUM(slopes[k], scratch);
        if (FIRST_LANE == 0 && k < existing) partials[weight[first[i] + k0 + k]] = total;
    }
    const WIDE total = LANE_SUM(bias, scratch);
    if (FIRST_LANE == 0 && k0 == 0) partials[WEIGHTS + i] = total;
}

KERNEL void add_blocks(GLOBAL const WIDE* RESTRICT partials, int blocks, GLOBAL REAL* RESTRICT gradient, INDEX theta0,
                       int add UPDATE_PARAMETERS)
{
    const int parameter0 = GLOBAL_ID(0) * SLOPES;
    for (int p = parameter0; p < parameter0 + SLOPES && p < PARAMETERS; ++p) {
        WIDE total = 0;
        for (int block = 0; block < blocks; ++block) total += partials[(INDEX)block * PARAMETERS + p];
        GIVE(total, gradient, theta0 + p, add);
    }
}

KERNEL void sample_gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT sums,
                            GLOBAL const int* RESTRICT first, GLOBAL const int* RESTRICT source,
                            GLOBAL const int* RESTRICT weight, int samples, GLOBAL REAL* RESTRICT rows, INDEX width,
                            INDEX theta0)
{
    const int k0 = GROUP_ID(0) * SLOPES, i = GROUP_ID(1), block = GROUP_ID(2);
    WIDEV slopes[SLOPES], bias;
    SUM_SLOPES(slopes, &bias, delta, sums, first, source, k0, i, block);
    for (int k = 0; k < SLOPES; ++k)
        if (k0 + k < SLOPES_OF(i))
            STORE_ROWS(TO_REALV(slopes[k]), rows, width, theta0 + weight[first[i] + k0 + k], block, samples);
    if (k0 == 0) STORE_ROWS(TO_REALV(bias), rows, width, BIASES + i, block, samples);
}
