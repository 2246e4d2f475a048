/* From samples one after another, as the host has them, to blocks.
 *
 *   pack     packed[block][point][lane] = x[block LANES + lane][point]; 0 in the lanes beyond `samples`
 *
 * Work: an item takes TILE points of one block.
 * Grid: (tiles of points, blocks), the last tile guarded. Group: LANES / V items on axis 0.
 * Defines: POINTS TILE.
 */
#include "prelude.h"
#include "lanes.h"

KERNEL void pack(GLOBAL const REAL* RESTRICT x, int samples, GLOBAL REAL* RESTRICT packed)
{
    const int point0 = GROUP_ID(0) * TILE, block = GROUP_ID(1), sample0 = block * LANES + FIRST_LANE;
    for (int p = point0; p < point0 + TILE && p < POINTS; ++p) {
        REAL each[V];
        for (int lane = 0; lane < V; ++lane) {
            const int sample = sample0 + lane;
            each[lane] = sample < samples ? x[(INDEX)sample * POINTS + p] : 0;
        }
        STOREV(LOADV(each, 0), packed, AT((INDEX)block * POINTS + p));
    }
}
