/* Radial basis layer (Hedberg 2015, Eqs. 46-54; with the gradients that the paper leaves out), lanes are samples.
 *
 *   forward          y_i = exp(-beta_i reach_i),   reach_i = |y_in - c_i|^POWER
 *   backpropagate    dy_j = sum over i of slope_i beta_i along_ij
 *   gradient         dc_ij = -sum over samples of slope_i beta_i along_ij,   dbeta_i = sum over samples of slope_i reach_i
 *   sample_gradient  the same without the sum: row s of `rows`, `width` long, gets sample s
 *
 * where slope_i = -delta_i y_i, and along_ij = dreach_i/dy_j: 2 (y_j - c_ij) for POWER 2; for 1 the direction from the centre,
 * 0 at the centre itself, where there is a cusp. With LOG_BETA theta holds log beta, and dbeta is times beta.
 * Differences are formed as they are: expanding |y - c|^2 loses everything far from the origin.
 *
 * Layouts: values and `reach` [block][unit][lane]; theta0 is where the layer's parameters begin in theta: c (UNITS, INPUTS),
 * then beta (UNITS). `forward` leaves reach for the others.
 * Work: an item computes TILE units (or inputs) of one block; a gradient item TILE inputs of one unit.
 * Grid: forward (tiles of units, blocks); backpropagate (tiles of inputs, blocks); gradient (tiles of inputs, units),
 * sample_gradient the same with blocks as third axis. The last tile is guarded. Group: LANES / V items on axis 0.
 * Defines: INPUTS UNITS POWER LOG_BETA TILE.
 */
#include "prelude.h"
#include "lanes.h"

#define TILE_OF(axis) (GROUP_ID(axis) * TILE)
#define CENTRE(i, j) (theta0 + (i) * (INDEX)INPUTS + (j))
#define BETA_AT(i) (theta0 + UNITS * (INDEX)INPUTS + (i))
#if LOG_BETA
#define BETA(i) exp(theta[BETA_AT(i)])
#else
#define BETA(i) theta[BETA_AT(i)]
#endif

/* What makes along_ij of y_j - c_ij. */
DEVICE REALV ALONG(REALV r)
{
#if POWER == 2
    return (REALV)(2);
#else
    return r == 0 ? (REALV)(1) : 1 / r;
#endif
}

KERNEL void forward(GLOBAL const REAL* RESTRICT y_in, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                    GLOBAL REAL* RESTRICT reach, GLOBAL REAL* RESTRICT y)
{
    const int unit0 = TILE_OF(0), block = GROUP_ID(1);
    y_in += (INDEX)block * INPUTS * LANES;
    reach += (INDEX)block * UNITS * LANES;
    y += (INDEX)block * UNITS * LANES;
    REALV squares[TILE];
    for (int u = 0; u < TILE; ++u) squares[u] = (REALV)(0);
    for (int j = 0; j < INPUTS; ++j) {
        const REALV x = LOADV(y_in, AT(j));
        for (int u = 0; u < TILE; ++u)
            if (unit0 + u < UNITS) {
                const REALV away = x - theta[CENTRE(unit0 + u, j)];
                squares[u] = FMA(away, away, squares[u]);
            }
    }
    for (int u = 0; u < TILE; ++u)
        if (unit0 + u < UNITS) {
#if POWER == 2
            const REALV r = squares[u];
#else
            const REALV r = sqrt(squares[u]);
#endif
            STOREV(r, reach, AT(unit0 + u));
            STOREV(exp(-BETA(unit0 + u) * r), y, AT(unit0 + u));
        }
}

KERNEL void backpropagate(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT y, GLOBAL const REAL* RESTRICT reach,
                          GLOBAL const REAL* RESTRICT y_in, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                          GLOBAL REAL* RESTRICT dy_in)
{
    const int input0 = TILE_OF(0), block = GROUP_ID(1);
    const INDEX units = (INDEX)block * UNITS;
    y_in += (INDEX)block * INPUTS * LANES;
    dy_in += (INDEX)block * INPUTS * LANES;
    REALV sum[TILE];
    for (int j = 0; j < TILE; ++j) sum[j] = (REALV)(0);
    for (int i = 0; i < UNITS; ++i) {
        const REALV slope = -LOADV(delta, AT(units + i)) * LOADV(y, AT(units + i)) * BETA(i);
        const REALV along = ALONG(LOADV(reach, AT(units + i)));
        for (int j = 0; j < TILE; ++j)
            if (input0 + j < INPUTS) {
                const REALV away = LOADV(y_in, AT(input0 + j)) - theta[CENTRE(i, input0 + j)];
                sum[j] = FMA(slope, along * away, sum[j]);
            }
    }
    for (int j = 0; j < TILE; ++j)
        if (input0 + j < INPUTS) STOREV(sum[j], dy_in, AT(input0 + j));
}

KERNEL void gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT y, GLOBAL const REAL* RESTRICT reach,
                     GLOBAL const REAL* RESTRICT y_in, GLOBAL const REAL* RESTRICT theta, INDEX theta0, int blocks,
                     GLOBAL REAL* RESTRICT gradient, int add)
{
    LANE_SCRATCH(scratch);
    const int input0 = TILE_OF(0), i = GROUP_ID(1);
    const REAL beta = BETA(i);
    REALV sum[TILE], widths = (REALV)(0);
    for (int j = 0; j < TILE; ++j) sum[j] = (REALV)(0);
    for (int block = 0; block < blocks; ++block) {
        const INDEX unit = AT((INDEX)block * UNITS + i);
        const REALV slope = -LOADV(delta, unit) * LOADV(y, unit), r = LOADV(reach, unit);
        const REALV along = ALONG(r);
        for (int j = 0; j < TILE; ++j)
            if (input0 + j < INPUTS) {
                const REALV away = LOADV(y_in, AT((INDEX)block * INPUTS + input0 + j)) - theta[CENTRE(i, input0 + j)];
                sum[j] = FMA(slope * beta, along * away, sum[j]);
            }
        widths = FMA(slope, r, widths);
    }
    for (int j = 0; j < TILE; ++j) {
        const WIDE total = LANE_SUM(sum[j], scratch);
        if (FIRST_LANE == 0 && input0 + j < INPUTS) PUT(-total, gradient, CENTRE(i, input0 + j), add);
    }
    const WIDE total = LANE_SUM(widths, scratch);
    if (FIRST_LANE == 0 && input0 == 0) PUT(LOG_BETA ? total * beta : total, gradient, BETA_AT(i), add);
}

KERNEL void sample_gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT y, GLOBAL const REAL* RESTRICT reach,
                            GLOBAL const REAL* RESTRICT y_in, GLOBAL const REAL* RESTRICT theta, INDEX theta0, int samples,
                            GLOBAL REAL* RESTRICT rows, INDEX width)
{
    const int input0 = TILE_OF(0), i = GROUP_ID(1), block = GROUP_ID(2);
    const REAL beta = BETA(i);
    const INDEX unit = AT((INDEX)block * UNITS + i);
    const REALV slope = -LOADV(delta, unit) * LOADV(y, unit), r = LOADV(reach, unit);
    const REALV along = ALONG(r);
    for (int j = 0; j < TILE; ++j)
        if (input0 + j < INPUTS) {
            const REALV away = LOADV(y_in, AT((INDEX)block * INPUTS + input0 + j)) - theta[CENTRE(i, input0 + j)];
            STORE_ROWS(-(slope * beta) * (along * away), rows, width, CENTRE(i, input0 + j), block, samples);
        }
    if (input0 == 0) STORE_ROWS(LOG_BETA ? slope * r * beta : slope * r, rows, width, BETA_AT(i), block, samples);
}
