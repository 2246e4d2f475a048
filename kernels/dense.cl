/* Dense layer (Hedberg 2015, Eqs. 17-19, 34-41; delmas, Eqs. 17-18, 24, 29), lanes are samples.
 *
 *   forward          z_i = b_i + sum over j of w_ij y_j,   y = phi(z)
 *   backpropagate    dy_j = sum over i of w_ij delta_i
 *   gradient         dw_ij = sum over samples of delta_i y_j,   db_i = sum over samples of delta_i
 *   sample_gradient  the same without the sum: row s of `rows`, `width` long, gets sample s
 *
 * Layouts: values [block][unit][lane]; theta0 is where the layer's parameters begin in theta: w (UNITS, INPUTS), then b.
 * With a TABLE only the weights that exist are stored, by unit: those of unit i are first[i] to first[i + 1] - 1, and
 * weight k reads input source[k]. Input j feeds the weights out_weight[k] of units out_unit[k], k from out_first[j] on.
 * Work: an item computes TILE units (or inputs) of one block; a gradient item TILE weights of one unit. A unit's weights
 * follow one another, so neighbouring items read neighbouring memory.
 * Grid: forward (tiles of units, blocks); backpropagate (tiles of inputs, blocks); gradient (tiles of a unit's weights,
 * units), sample_gradient the same with blocks as third axis. The last tile is guarded. Group: LANES / V items on axis 0.
 * Defines: INPUTS UNITS BIAS TILE TABLE SAVE_Z; ACTIVATION.
 */
#include "prelude.h"
#include "activations.h"
#include "lanes.h"

#define TILE_OF(axis) (GROUP_ID(axis) * TILE)

#if TABLE
#define WEIGHTS_OF(i) (first[i + 1] - first[i])
#define WEIGHT(i, k) (first[i] + (k))
#define SOURCE(i, k) source[WEIGHT(i, k)]
#define BIAS_AT (theta0 + first[UNITS])
#define LISTS GLOBAL const int *RESTRICT first, GLOBAL const int *RESTRICT source
#else
#define WEIGHTS_OF(i) INPUTS
#define WEIGHT(i, k) ((i) * (INDEX)INPUTS + (k))
#define SOURCE(i, k) (k)
#define BIAS_AT (theta0 + (INDEX)UNITS * INPUTS)
#endif

KERNEL void forward(GLOBAL const REAL* RESTRICT y_in, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                    GLOBAL REAL* RESTRICT z, GLOBAL REAL* RESTRICT y
#if TABLE
                    , LISTS
#endif
)
{
    const int unit0 = TILE_OF(0), block = GROUP_ID(1);
    y_in += (INDEX)block * INPUTS * LANES;
    z += (INDEX)block * UNITS * LANES;
    y += (INDEX)block * UNITS * LANES;
    GLOBAL const REAL* w = theta + theta0;
    REALV sum[TILE];
    for (int u = 0; u < TILE; ++u) {
#if BIAS
        sum[u] = (REALV)(unit0 + u < UNITS ? theta[BIAS_AT + unit0 + u] : 0);
#else
        sum[u] = (REALV)(0);
#endif
    }
#if TABLE
    for (int u = 0; u < TILE; ++u)
        if (unit0 + u < UNITS)
            for (int k = 0; k < WEIGHTS_OF(unit0 + u); ++k)
                sum[u] = FMA((REALV)(w[WEIGHT(unit0 + u, k)]), LOADV(y_in, AT(SOURCE(unit0 + u, k))), sum[u]);
#else
    for (int j = 0; j < INPUTS; ++j) {
        const REALV x = LOADV(y_in, AT(j));
        for (int u = 0; u < TILE; ++u)
            if (unit0 + u < UNITS) sum[u] = FMA((REALV)(w[WEIGHT(unit0 + u, j)]), x, sum[u]);
    }
#endif
    for (int u = 0; u < TILE; ++u)
        if (unit0 + u < UNITS) {
#if SAVE_Z
            STOREV(sum[u], z, AT(unit0 + u));
#endif
            STOREV(PHI(sum[u]), y, AT(unit0 + u));
        }
}

KERNEL void backpropagate(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                          GLOBAL REAL* RESTRICT dy_in
#if TABLE
                          , GLOBAL const int* RESTRICT out_first, GLOBAL const int* RESTRICT out_unit,
                          GLOBAL const int* RESTRICT out_weight
#endif
)
{
    const int input0 = TILE_OF(0), block = GROUP_ID(1);
    delta += (INDEX)block * UNITS * LANES;
    dy_in += (INDEX)block * INPUTS * LANES;
    GLOBAL const REAL* w = theta + theta0;
    REALV sum[TILE];
    for (int j = 0; j < TILE; ++j) sum[j] = (REALV)(0);
#if TABLE
    for (int j = 0; j < TILE; ++j)
        if (input0 + j < INPUTS)
            for (int k = out_first[input0 + j]; k < out_first[input0 + j + 1]; ++k)
                sum[j] = FMA((REALV)(w[out_weight[k]]), LOADV(delta, AT(out_unit[k])), sum[j]);
#else
    for (int i = 0; i < UNITS; ++i) {
        const REALV d = LOADV(delta, AT(i));
        for (int j = 0; j < TILE; ++j)
            if (input0 + j < INPUTS) sum[j] = FMA((REALV)(w[WEIGHT(i, input0 + j)]), d, sum[j]);
    }
#endif
    for (int j = 0; j < TILE; ++j)
        if (input0 + j < INPUTS) STOREV(sum[j], dy_in, AT(input0 + j));
}

KERNEL void gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT y_in, int blocks,
                     GLOBAL REAL* RESTRICT gradient, INDEX theta0
#if TABLE
                     , LISTS
#endif
)
{
    LANE_SCRATCH(scratch);
    const int k0 = TILE_OF(0), i = GROUP_ID(1);
    const int weights = WEIGHTS_OF(i);
    REALV sum[TILE], bias = (REALV)(0);
    for (int k = 0; k < TILE; ++k) sum[k] = (REALV)(0);
    for (int block = 0; block < blocks; ++block) {
        const REALV d = LOADV(delta, AT((INDEX)block * UNITS + i));
        for (int k = 0; k < TILE; ++k)
            if (k0 + k < weights)
                sum[k] = FMA(d, LOADV(y_in, AT((INDEX)block * INPUTS + SOURCE(i, k0 + k))), sum[k]);
        bias += d;
    }
    for (int k = 0; k < TILE; ++k) {
        const WIDE total = LANE_SUM(sum[k], scratch);
        if (FIRST_LANE == 0 && k0 + k < weights) gradient[theta0 + WEIGHT(i, k0 + k)] = total;
    }
#if BIAS
    const WIDE total = LANE_SUM(bias, scratch);
    if (FIRST_LANE == 0 && k0 == 0) gradient[BIAS_AT + i] = total;
#endif
}

KERNEL void sample_gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT y_in, int samples,
                            GLOBAL REAL* RESTRICT rows, INDEX width, INDEX theta0
#if TABLE
                            , LISTS
#endif
)
{
    const int k0 = TILE_OF(0), i = GROUP_ID(1), block = GROUP_ID(2);
    const REALV d = LOADV(delta, AT((INDEX)block * UNITS + i));
    for (int k = 0; k < TILE; ++k)
        if (k0 + k < WEIGHTS_OF(i)) {
            const REALV slope = d * LOADV(y_in, AT((INDEX)block * INPUTS + SOURCE(i, k0 + k)));
            STORE_ROWS(slope, rows, width, theta0 + WEIGHT(i, k0 + k), block, samples);
        }
#if BIAS
    if (k0 == 0) STORE_ROWS(d, rows, width, BIAS_AT + i, block, samples);
#endif
}
