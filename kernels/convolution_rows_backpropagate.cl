/* Convolution, from the layer to its input (Hedberg 2015, Eqs. 70-75), by minimal algorithms for rows of taps (rows.h); phi' of the layer below
 * fused where there is one.
 *
 *   dy_in[block][j][iz][iy] = GATHER(sum over i, uz, uy of weights[.][ij, uz, uy] slopes[block][.][i][oz][oy])   where k o + u - p = i
 *
 * Work: an item computes MAPS_TILE maps x ROWS_TILE rows of one block, point by point. A row of outputs is read once for all the rows it meets.
 * Grid: (blocks * IN_DEPTH * row tiles * map tiles), maps fastest; the last tile of maps is moved back, that of rows cut.
 * Group: one item, V = LANES.   Memory: none shared.
 * Writes: as convolution_backpropagate.cl.
 * Defines: those of prelude.h, activations.h, convolution.h, rows.h; BELOW. Free, and of equal bits: MAPS_TILE <= IN_MAPS; ROWS_TILE, a multiple of
 *          STRIDE_Y, or all rows.
 */
#include "prelude.h"
#include "convolution.h"
#include "rows.h"
#include "activations.h"

#if ROWS_TILE % STRIDE_Y && ROWS_TILE < IN_HEIGHT
#error "a tile begins where windows may"
#endif
#define MAP_TILES TILES(IN_MAPS, MAPS_TILE)
#define ROW_TILES TILES(IN_HEIGHT, ROWS_TILE)
/* Rows of outputs that a tile of rows may meet: so many before the one whose window begins with the tile, were there no border, and in all. */
#define ROWS_BEFORE (TAPS_Y - 1 > PAD_Y ? (TAPS_Y - 1 - PAD_Y) / STRIDE_Y : 0)
#define ROWS_MET (ROWS_BEFORE + (ROWS_TILE - 1 + PAD_Y) / STRIDE_Y + 1)

/* The products of the tile whose corner is map j0, plane iz, row iy0. */
INLINED void multiply(REALV products[MAPS_TILE][ROWS_TILE][TILES_OF_ROW][POINTS], GLOBAL const REAL* slopes, GLOBAL const REAL* weights OFFSETS,
                      const int j0, const int iz, const int iy0)
{
    const int z = iz + PAD_Z, oy0 = iy0 / STRIDE_Y - ROWS_BEFORE;
    NOT_UNROLLED(p, POINTS) {
        REALV sum[MAPS_TILE][ROWS_TILE][TILES_OF_ROW];
        UNROLLED(m, MAPS_TILE) UNROLLED(r, ROWS_TILE) UNROLLED(t, TILES_OF_ROW) sum[m][r][t] = (REALV)(0);
        for (int i = 0; i < OUT_MAPS; ++i) {
            for (int uz = FIRST_TAP(z, OUT_DEPTH, STRIDE_Z); uz < END_TAP(z, TAPS_Z); uz += STRIDE_Z) {
                UNROLLED(o, ROWS_MET) {
                    if (!INSIDE(oy0 + o, OUT_HEIGHT)) continue;
                    REALV own[TILES_OF_ROW];
                    UNROLLED(t, TILES_OF_ROW) own[t] = LOADV(slopes, SPREAD_AT(i, (z - uz) / STRIDE_Z, oy0 + o) + AT(t));
                    UNROLLED(m, MAPS_TILE) {
                        const int kernel_at = KERNEL_AT(i, j0 + m);
                        if (!CONNECTED(kernel_at)) continue;
                        UNROLLED(uy, TAPS_Y) {
                            const int r = (o - ROWS_BEFORE) * STRIDE_Y + uy - PAD_Y;
                            if (!INSIDE(r, ROWS_TILE)) continue;
                            const REALV weight = (REALV)(weights[ROW_OF(kernel_at, uz, uy)]);
                            UNROLLED(t, TILES_OF_ROW) sum[m][r][t] = FMA(weight, own[t], sum[m][r][t]);
                        }
                    }
                }
            }
        }
        UNROLLED(m, MAPS_TILE) UNROLLED(r, ROWS_TILE) UNROLLED(t, TILES_OF_ROW) products[m][r][t][p] = sum[m][r][t];
        slopes += SPREAD_POINT;
        weights += TAP_ROWS;
    }
}

/* Cells of the padded row that tiles see, together. */
#define CELLS ((TILES_OF_ROW - 1) * MADE * STRIDE_X + TILE_SEES)

ONE_ITEM_A_BLOCK KERNEL void backpropagate(GLOBAL const REAL* RESTRICT slopes, GLOBAL const REAL* RESTRICT weights,
                                           GLOBAL const REAL* RESTRICT z_in, GLOBAL const REAL* RESTRICT y_in, GLOBAL REAL* RESTRICT dy_in OFFSETS)
{
    int item = GROUP_ID(0);
    const int own_j = item % MAP_TILES * MAPS_TILE;
    item /= MAP_TILES;
    const int iy0 = item % ROW_TILES * ROWS_TILE;
    item /= ROW_TILES;
    const int iz = item % IN_DEPTH, block = item / IN_DEPTH, j0 = TILE_BACK(own_j, MAPS_TILE, IN_MAPS);

    REALV products[MAPS_TILE][ROWS_TILE][TILES_OF_ROW][POINTS];
    multiply(products, slopes + block * SPREAD_BLOCK, weights + WEIGHTS_AT(block) THE_OFFSETS, j0, iz, iy0);
    NOT_UNROLLED(m, MAPS_TILE) NOT_UNROLLED(r, ROWS_TILE) {
        if (j0 + m < own_j || iy0 + r >= IN_HEIGHT) continue;
        /* Tiles overlap where they see the same cells. */
        REALV cells[CELLS];
        NOT_UNROLLED(x, CELLS) cells[x] = (REALV)(0);
        NOT_UNROLLED(t, TILES_OF_ROW) {
            REALV p[POINTS], seen[TILE_SEES];
            UNROLLED(k, POINTS) p[k] = products[m][r][t][k];
            GATHER(seen, p);
            UNROLLED(c, TILE_SEES) cells[t * MADE * STRIDE_X + c] += seen[c];
        }
        const INDEX row = ((((INDEX)block * IN_MAPS + j0 + m) * IN_DEPTH + iz) * IN_HEIGHT + iy0 + r) * IN_WIDTH;
        NOT_UNROLLED(x, IN_WIDTH) {
            REALV slope = x + PAD_X < CELLS ? cells[x + PAD_X] : (REALV)(0);
#if BELOW
            const REALV z = LOADV(z_in, AT(row + x)), y = LOADV(y_in, AT(row + x));
            slope *= PHI_PRIME(z, y);
#endif
            STOREV(slope, dy_in, AT(row + x));
        }
    }
}
