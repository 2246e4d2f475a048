/* Vanilla sub-sampling (Hedberg 2015, Eqs. 101-103, Table 8), lanes are samples.
 *
 *   forward         y_i(x) = y_i(K x)
 *   backpropagate   dy_i(K x) = delta_i(x), and 0 in all other cells
 *
 * The first cell of a window is kept, also where the border cuts the window off: there are as many outputs as windows.
 * Layouts, rows: windows.h.
 * Grid: (tiles of ROWS_TILE output rows, which are as many as the input rows, blocks). Group: LANES / V items on axis 0.
 * Defines: those of windows.h, where WINDOW is the step K.
 */
#include "prelude.h"
#include "windows.h"

KERNEL void forward(GLOBAL const REAL* RESTRICT y_in, GLOBAL REAL* RESTRICT y)
{
    const int block = GROUP_ID(1);
    EACH_ROW(row, OUT_ROWS) {
        const int map = MAP_OF(row, OUT_DEPTH, OUT_HEIGHT);
        const int wz = Z_OF(row, OUT_DEPTH, OUT_HEIGHT), wy = Y_OF(row, OUT_HEIGHT);
        for (int wx = 0; wx < OUT_WIDTH; ++wx) {
            const REALV kept = LOADV(y_in, IN_AT(block, map, wz * WINDOW_Z, wy * WINDOW_Y, wx * WINDOW_X));
            STOREV(kept, y, OUT_AT(block, map, wz, wy, wx));
        }
    }
}

KERNEL void backpropagate(GLOBAL const REAL* RESTRICT delta, GLOBAL REAL* RESTRICT dy_in)
{
    const int block = GROUP_ID(1);
    EACH_ROW(row, IN_ROWS) {
        const int map = MAP_OF(row, WINDOWS_Z, WINDOWS_Y);
        const int wz = Z_OF(row, WINDOWS_Z, WINDOWS_Y), wy = Y_OF(row, WINDOWS_Y);
        for (int wx = 0; wx < WINDOWS_X; ++wx) {
            const REALV share = LOADV(delta, OUT_AT(block, map, wz, wy, wx));
            EACH_CELL(uz, uy, ux) {
                const int z = wz * WINDOW_Z + uz, y = wy * WINDOW_Y + uy, x = wx * WINDOW_X + ux;
                const REALV slope = CELL(uz, uy, ux) == 0 ? share : (REALV)(0);
                if (IN_MAP(z, y, x)) STOREV(slope, dy_in, IN_AT(block, map, z, y, x));
            }
        }
    }
}
