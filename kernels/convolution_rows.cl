/* What minimal algorithms for rows of taps (rows.h) form of taps, values and slopes, for convolution_rows_forward.cl, _backpropagate.cl and
 * _gradient.cl.
 *
 *   filters   weights[point][row] = FILTER of every row of taps
 *   see       seen[block][point][j][z][y][tile] = SEE of the values of y_in that tiles of outputs see, 0 beyond the map
 *   spread    slopes[block][point][i][z][y][tile] = SPREAD of the tiles of delta, 0 beyond the map
 *
 * Grid: filters (vectors of rows of taps, blocks that share weights); see and spread (rows of all maps, blocks).
 * Group: one item, V = LANES.   Memory: none shared.
 * Defines: those of prelude.h, convolution.h, rows.h.
 */
#include "prelude.h"
#include "convolution.h"
#include "rows.h"

ONE_ITEM_A_BLOCK KERNEL void filters(GLOBAL const REAL* RESTRICT theta, INDEX theta0, GLOBAL REAL* RESTRICT weights)
{
    const int row0 = GROUP_ID(0) * LANES;
    weights += (INDEX)GROUP_ID(1) * POINTS * TAP_ROWS;
    REAL each[TAPS_X * LANES];
    NOT_UNROLLED(lane, LANES) {
        const int row = row0 + lane < TAP_ROWS ? row0 + lane : TAP_ROWS - 1;
        NOT_UNROLLED(u, TAPS_X) each[u * LANES + lane] = theta[theta0 + (INDEX)row * TAPS_X + u];
    }
    REALV w[TAPS_X], p[POINTS];
    UNROLLED(u, TAPS_X) w[u] = LOADV(each, u * LANES);
    FILTER(p, w);
    if (row0 + LANES <= TAP_ROWS) {
        UNROLLED(k, POINTS) STOREV(p[k], weights, (INDEX)k * TAP_ROWS + row0);
    } else {
        REAL of_points[POINTS * LANES];
        UNROLLED(k, POINTS) STOREV(p[k], of_points, k * LANES);
        NOT_UNROLLED(k, POINTS)
            NOT_UNROLLED(lane, TAP_ROWS - row0) weights[(INDEX)k * TAP_ROWS + row0 + lane] = of_points[k * LANES + lane];
    }
}

ONE_ITEM_A_BLOCK KERNEL void see(GLOBAL const REAL* RESTRICT y_in, GLOBAL REAL* RESTRICT seen)
{
    const int row = GROUP_ID(0), block = GROUP_ID(1);
    y_in += AT(((INDEX)block * IN_MAPS * IN_DEPTH * IN_HEIGHT + row) * IN_WIDTH);
    seen += block * SEEN_BLOCK + AT((INDEX)row * TILES_OF_ROW);
    NOT_UNROLLED(t, TILES_OF_ROW) {
        const int x0 = t * MADE * STRIDE_X - PAD_X;
        REALV d[TILE_SEES], p[POINTS];
        UNROLLED(c, TILE_SEES) {
            d[c] = (REALV)(0);
            if (INSIDE(x0 + c, IN_WIDTH)) d[c] = LOADV(y_in, AT(x0 + c));
        }
        SEE(p, d);
        UNROLLED(k, POINTS) STOREV(p[k], seen, k * SEEN_POINT + AT(t));
    }
}

ONE_ITEM_A_BLOCK KERNEL void spread(GLOBAL const REAL* RESTRICT delta, GLOBAL REAL* RESTRICT slopes)
{
    const int row = GROUP_ID(0), block = GROUP_ID(1);
    delta += AT(((INDEX)block * OUT_MAPS * OUT_DEPTH * OUT_HEIGHT + row) * OUT_WIDTH);
    slopes += block * SPREAD_BLOCK + AT((INDEX)row * TILES_OF_ROW);
    NOT_UNROLLED(t, TILES_OF_ROW) {
        REALV d[MADE], p[POINTS];
        load_slopes(d, delta, t);
        SPREAD(p, d);
        UNROLLED(k, POINTS) STOREV(p[k], slopes, k * SPREAD_POINT + AT(t));
    }
}
