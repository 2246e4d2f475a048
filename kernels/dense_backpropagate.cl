/* Dense layer, back to its input (Hedberg 2015, Eqs. 34-35; delmas, Eq. 29), lanes are samples; phi' of the layer below fused if asked.
 *
 *   dy_in_j = sum over i of w_ij delta_i
 *
 * With BELOW 1 the sum is multiplied by phi'(z_in, y_in) of the layer below, whose activation ACTIVATION then is: the result is
 * that layer's delta. With BELOW 0 neither z_in nor y_in is read.
 * Work: an item computes INPUTS_TILE inputs of BLOCKS_TILE blocks, as dense_forward.cl with the transpose of W.
 * Grid: (tiles of inputs, tiles of the first `blocks` blocks). The last tile of inputs is moved back, that of blocks is taken block by
 * block. Group: LANES / V items on axis 0.   Memory: none shared; weights are broadcast from theta or, where PANELS is 1, from panels.
 * Defines: those of prelude.h, activations.h, dense.h; BELOW. Free, and of equal bits: INPUTS_TILE <= INPUTS, BLOCKS_TILE, PANELS without a TABLE.
 */
#include "prelude.h"
#include "activations.h"
#define ROWS_TILE INPUTS_TILE
#include "dense.h"

INLINED void take(const int tile, GLOBAL const REAL* delta, GLOBAL const REAL* theta, GLOBAL const REAL* panels,
                  GLOBAL const int* out_first, GLOBAL const int* out_unit, GLOBAL const int* out_weight,
                  GLOBAL const REAL* z_in, GLOBAL const REAL* y_in, GLOBAL REAL* dy_in, const int block, const int count)
{
    const int own = tile * INPUTS_TILE, input0 = TILE_BACK(own, INPUTS_TILE, INPUTS);
    REALV sum[INPUTS_TILE][BLOCKS_TILE];
    UNROLLED(j, INPUTS_TILE) UNROLLED(b, BLOCKS_TILE) sum[j][b] = (REALV)(0);

    delta += (INDEX)block * UNITS * LANES;
#if TABLE
    UNROLLED(j, INPUTS_TILE)
        for (int k = out_first[input0 + j]; k < out_first[input0 + j + 1]; ++k)
            UNROLLED(b, BLOCKS_TILE) if (b < count)
                sum[j][b] = FMA((REALV)(theta[out_weight[k]]), LOADV(delta, AT((INDEX)b * UNITS + out_unit[k])), sum[j][b]);
#elif PANELS
    add_product(sum, panels + tile * (INDEX)UNITS * INPUTS_TILE, 1, INPUTS_TILE, delta, UNITS, count);
#else
    add_product(sum, theta + input0, 1, INPUTS, delta, UNITS, count);
#endif

    UNROLLED(j, INPUTS_TILE) UNROLLED(b, BLOCKS_TILE) if (b < count && input0 + j >= own) {
        const INDEX at = AT((INDEX)(block + b) * INPUTS + input0 + j);
#if BELOW
        const REALV z = LOADV(z_in, at), y = LOADV(y_in, at);
        sum[j][b] *= PHI_PRIME(z, y);
#endif
        STOREV(sum[j][b], dy_in, at);
    }
}

ONE_ITEM_A_BLOCK KERNEL void backpropagate(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                                           GLOBAL const REAL* RESTRICT panels, int blocks, GLOBAL const int* RESTRICT out_first,
                                           GLOBAL const int* RESTRICT out_unit, GLOBAL const int* RESTRICT out_weight,
                                           GLOBAL const REAL* RESTRICT z_in, GLOBAL const REAL* RESTRICT y_in,
                                           GLOBAL REAL* RESTRICT dy_in)
{
    ON_BLOCKS(blocks, take, GROUP_ID(0), delta, theta + theta0, panels, out_first, out_unit, out_weight, z_in, y_in, dy_in);
}
