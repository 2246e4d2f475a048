/* Dense layer, forward (Hedberg 2015, Eqs. 17-19; delmas, Eqs. 17-18, 24), lanes are samples.
 *
 *   z_i = b_i + sum over j of w_ij y_j,   y = phi(z)
 *
 * Work: an item computes UNITS_TILE units of BLOCKS_TILE blocks: a matrix by a vector of lanes where that is one block, else by a matrix.
 * Grid: (tiles of units, tiles of the first `blocks` blocks). The last tile of units is moved back, that of blocks is taken block by block.
 * Group: LANES / V items on axis 0.   Memory: none shared; weights are broadcast from theta, or where PANELS is 1 from dense_panels.cl's,
 * which else may be any buffer. Writes y, and z where SAVE_Z is 1.
 * Defines: those of prelude.h, activations.h, dense.h; SAVE_Z. Free, and of equal bits: UNITS_TILE <= UNITS, BLOCKS_TILE, PANELS without a
 * TABLE.
 */
#include "prelude.h"
#include "activations.h"
#define ROWS_TILE UNITS_TILE
#include "dense.h"

INLINED void take(const int tile, GLOBAL const REAL* y_in, GLOBAL const REAL* theta, GLOBAL const REAL* panels, GLOBAL const int* first,
                  GLOBAL const int* source, GLOBAL REAL* z, GLOBAL REAL* y, const int block, const int count)
{
    const int own = tile * UNITS_TILE, unit0 = TILE_BACK(own, UNITS_TILE, UNITS);
    REALV sum[UNITS_TILE][BLOCKS_TILE];
    UNROLLED(u, UNITS_TILE) UNROLLED(b, BLOCKS_TILE) sum[u][b] = (REALV)(BIAS ? theta[BIASES + unit0 + u] : 0);

    y_in += (INDEX)block * INPUTS * LANES;
#if TABLE
    UNROLLED(u, UNITS_TILE)
        for (int k = first[unit0 + u]; k < first[unit0 + u + 1]; ++k)
            UNROLLED(b, BLOCKS_TILE)
            if (b < count) sum[u][b] = FMA((REALV)(theta[k]), LOADV(y_in, AT((INDEX)b * INPUTS + source[k])), sum[u][b]);
#elif PANELS
    add_product(sum, panels + tile * (INDEX)INPUTS * UNITS_TILE, 1, UNITS_TILE, y_in, INPUTS, count);
#else
    add_product(sum, theta + WEIGHT(unit0, 0), INPUTS, 1, y_in, INPUTS, count);
#endif

    REALV result[UNITS_TILE * BLOCKS_TILE];
    UNROLLED(u, UNITS_TILE) UNROLLED(b, BLOCKS_TILE) result[u * BLOCKS_TILE + b] = sum[u][b];
    NOT_UNROLLED(n, UNITS_TILE * BLOCKS_TILE) {
        const int unit = unit0 + n / BLOCKS_TILE, b = n % BLOCKS_TILE;
        if (b >= count || unit < own) continue;
        const INDEX at = AT((INDEX)(block + b) * UNITS + unit);
        if (SAVE_Z) STOREV(result[n], z, at);
        STOREV(PHI(result[n]), y, at);
    }
}

ONE_ITEM_A_BLOCK KERNEL void forward(GLOBAL const REAL* RESTRICT y_in, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                                     GLOBAL const REAL* RESTRICT panels, int blocks, GLOBAL const int* RESTRICT first,
                                     GLOBAL const int* RESTRICT source, GLOBAL REAL* RESTRICT z, GLOBAL REAL* RESTRICT y)
{
    ON_BLOCKS(blocks, take, GROUP_ID(0), y_in, theta + theta0, panels, first, source, z, y);
}
