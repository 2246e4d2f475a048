/* Weights of a dense layer in the order in which its product reads them: panels of ROWS_TILE rows of W, or of its transpose.
 *
 *   panels[tile][k][r] = w[(row0 + r) * ROW_STEP + k * DEPTH_STEP],   row0 the tile's first row
 *
 * So what a tile reads lies side by side, where rows of W are far apart: its transpose has one line of the cache, and often one page, for
 * each step. It pays where many blocks read them.
 *
 * Work: an item fills RUN steps of the depth of one panel; neighbouring items read the same lines of W.
 * Grid: (tiles of rows, runs of the depth), the last tile moved back. Group: LANES / V items on axis 0.   Memory: none shared.
 * Defines: those of prelude.h; ROWS DEPTH ROW_STEP DEPTH_STEP ROWS_TILE <= ROWS, RUN.
 */
#include "prelude.h"

KERNEL void pack(GLOBAL const REAL* RESTRICT theta, INDEX theta0, GLOBAL REAL* RESTRICT panels)
{
    const int row0 = TILE_BACK(GROUP_ID(0) * ROWS_TILE, ROWS_TILE, ROWS);
    GLOBAL const REAL* w = theta + theta0 + row0 * (INDEX)ROW_STEP;
    panels += GROUP_ID(0) * (INDEX)DEPTH * ROWS_TILE;
    for (int k = GROUP_ID(1) * RUN + LOCAL_ID(0); k < (GROUP_ID(1) + 1) * RUN && k < DEPTH; k += LOCAL_SIZE(0))
        UNROLLED(r, ROWS_TILE) panels[(INDEX)k * ROWS_TILE + r] = w[r * (INDEX)ROW_STEP + k * (INDEX)DEPTH_STEP];
}
