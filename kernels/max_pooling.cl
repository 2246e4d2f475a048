/* Max pooling (Hedberg 2015, Eqs. 98-100, Table 7), lanes are samples.
 *
 *   forward         y_i(x) = max over u < K of y_i(K x + u), and `winners`: which u that was
 *   backpropagate   dy_i(K x + u) = delta_i(x) where u won, else 0; also 0 where no complete window is
 *
 * The first maximum in row-major order wins, and a NaN over everything. A winner is CELL(u), laid out as y is, as
 * convolution_forward.cl with POOL_X also keeps them. The way back reads no values, and writes every cell.
 * Layouts, rows: windows.h.
 * Grid: forward (tiles of ROWS_TILE output rows, blocks); backpropagate (tiles of ROWS_TILE input rows, blocks).
 * Group: LANES / V items on axis 0.
 * Defines: those of windows.h; WINNER_BITS.
 */
#include "prelude.h"
#include "windows.h"
#include "winners.h"

KERNEL void forward(GLOBAL const REAL* RESTRICT y_in, GLOBAL REAL* RESTRICT y, GLOBAL WINNER* RESTRICT winners)
{
    const int block = GROUP_ID(1);
    EACH_ROW(row, OUT_ROWS) {
        const int map = MAP_OF(row, OUT_DEPTH, OUT_HEIGHT);
        const int wz = Z_OF(row, OUT_DEPTH, OUT_HEIGHT), wy = Y_OF(row, OUT_HEIGHT);
        for (int wx = 0; wx < OUT_WIDTH; ++wx) {
            REALV best = LOADV(y_in, IN_AT(block, map, wz * WINDOW_Z, wy * WINDOW_Y, wx * WINDOW_X));
            LANE_INT won = (LANE_INT)(0);
            EACH_CELL(uz, uy, ux) {
                const REALV value = LOADV(y_in, IN_AT(block, map, wz * WINDOW_Z + uz, wy * WINDOW_Y + uy, wx * WINDOW_X + ux));
                TAKE_LARGER(best, won, value, CELL(uz, uy, ux));
            }
            const INDEX at = OUT_AT(block, map, wz, wy, wx);
            STOREV(best, y, at);
            STORE_WINNERS(won, winners, at);
        }
    }
}

KERNEL void backpropagate(GLOBAL const REAL* RESTRICT delta, GLOBAL const WINNER* RESTRICT winners, GLOBAL REAL* RESTRICT dy_in)
{
    const int block = GROUP_ID(1);
    EACH_ROW(row, IN_ROWS) {
        const int map = MAP_OF(row, WINDOWS_Z, WINDOWS_Y);
        const int wz = Z_OF(row, WINDOWS_Z, WINDOWS_Y), wy = Y_OF(row, WINDOWS_Y);
        for (int wx = 0; wx < WINDOWS_X; ++wx) {
            REALV share = (REALV)(0);
            LANE_INT won = (LANE_INT)(0);
            if (HAS_OUTPUT(wz, wy, wx)) {
                const INDEX at = OUT_AT(block, map, wz, wy, wx);
                share = LOADV(delta, at);
                won = LOAD_WINNERS(winners, at);
            }
            EACH_CELL(uz, uy, ux) {
                const int z = wz * WINDOW_Z + uz, y = wy * WINDOW_Y + uy, x = wx * WINDOW_X + ux;
                const LANE_INT here = won == (LANE_INT)(CELL(uz, uy, ux));
                if (IN_MAP(z, y, x)) STOREV(here ? share : (REALV)(0), dy_in, IN_AT(block, map, z, y, x));
            }
        }
    }
}
