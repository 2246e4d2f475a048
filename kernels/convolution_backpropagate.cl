/* Convolution, back to its input (Hedberg 2015, Eqs. 70-75, gathered; delmas, Eq. 45); phi' of the layer below fused if asked.
 *
 *   dy_in[block][j][x][lane] = sum over i in C_j and the taps u for which (x + p - u) / k is an output o, of
 *                              delta[block][i][o][lane] w_ij[u]
 *
 * With BELOW 1 the sum is multiplied by phi'(z_in, y_in) of the layer below, whose activation ACTIVATION then is: the result is
 * that layer's delta. With BELOW 0 neither z_in nor y_in is read.
 * Work: an item computes a tile of MAPS_TILE input maps x COLUMNS_TILE columns of one row of one block. Every cell is written:
 * those that no window reads become 0.
 * Grid: (blocks * IN_DEPTH * IN_HEIGHT * MAP_TILES * COLUMN_TILES), columns fastest; the last tiles are moved back or cut.
 * Group: LANES / V items.   Memory: none shared.
 * Defines: those of prelude.h, activations.h, convolution.h; BELOW. Free, and of equal bits: MAPS_TILE <= IN_MAPS; COLUMNS_TILE, a
 *          multiple of STRIDE_X unless it covers IN_WIDTH. Where it does and columns are abreast (abreast.h) sums have another order.
 */
#include "prelude.h"
#include "activations.h"
#include "convolution.h"

#define COLUMNS IN_WIDTH
#if COLUMNS_TILE == COLUMNS && OUT_WIDTH >= MOST_ABREAST
#define ABREAST MOST_ABREAST
#else
#define ABREAST 1
#endif
#include "abreast.h"
#define MAP_TILES TILES(IN_MAPS, MAPS_TILE)
#if COLUMNS_TILE < COLUMNS && COLUMNS_TILE % STRIDE_X
#error "COLUMNS_TILE must be a multiple of STRIDE_X, so that all tiles meet the same taps"
#endif

/* A tile sees WINDOW outputs of a row; the first is FIRST_SEEN after (before, that is) the tile's first column / stride. */
#define FLOOR_OF(x) (((x) + TAPS_X * STRIDE_X) / STRIDE_X - TAPS_X)
#define FIRST_SEEN FLOOR_OF(PAD_X - TAPS_X + 1)
#define WINDOW (FLOOR_OF(PAD_X + COLUMNS_TILE - 1) - FIRST_SEEN + 1)
#define FIRST_INNER (TAPS_X - 1 < PAD_X ? 0 : TAPS_X - 1 - PAD_X)
#define LAST_INNER (OUT_WIDTH * STRIDE_X - PAD_X - COLUMNS_TILE)
/* Whether column c of a tile meets an output at tap u, and at which of the window. */
#define MEETS(c, u) (((c) + PAD_X - (u) + TAPS_X * STRIDE_X) % STRIDE_X == 0)
#define MET(c, u) (FLOOR_OF((c) + PAD_X - (u)) - FIRST_SEEN)

/* sum := over outputs and taps, for the tile whose corner is input map j0, plane iz, row iy, column ix0. */
INLINED void gather(REALV sum[MAPS_TILE][COLUMNS_TILE], GLOBAL const REAL* delta, GLOBAL const REAL* theta OFFSETS,
                    const int j0, const int iz, const int iy, const int ix0, const int inner)
{
    UNROLLED(m, MAPS_TILE) UNROLLED(c, COLUMNS_TILE) sum[m][c] = (REALV)(0);

    const int ox0 = ix0 / STRIDE_X + FIRST_SEEN, z = iz + PAD_Z, y = iy + PAD_Y;
    for (int i = 0; i < OUT_MAPS; ++i) {
        for (int uz = FIRST_TAP(z, OUT_DEPTH, STRIDE_Z); uz < END_TAP(z, TAPS_Z); uz += STRIDE_Z) {
            for (int uy = FIRST_TAP(y, OUT_HEIGHT, STRIDE_Y); uy < END_TAP(y, TAPS_Y); uy += STRIDE_Y) {
                const int oz = (z - uz) / STRIDE_Z, oy = (y - uy) / STRIDE_Y;
                GLOBAL const REAL* line = delta + AT((((INDEX)i * OUT_DEPTH + oz) * OUT_HEIGHT + oy) * OUT_WIDTH + ox0);
                REALV window[WINDOW];
                UNROLLED(n, WINDOW) if (inner || INSIDE(ox0 + n, OUT_WIDTH)) window[n] = LOADV(line, n * LANES);
                UNROLLED(m, MAPS_TILE) {
                    const int kernel_at = KERNEL_AT(i, j0 + m);
                    if (!CONNECTED(kernel_at)) continue;
                    GLOBAL const REAL* taps = theta + kernel_at + (uz * TAPS_Y + uy) * TAPS_X;
                    UNROLLED(u, TAPS_X) UNROLLED(c, COLUMNS_TILE)
                        if (MEETS(c, u) && (inner || (ix0 + c < COLUMNS && INSIDE(ox0 + MET(c, u), OUT_WIDTH))))
                            sum[m][c] = FMA((REALV)(taps[u]), window[MET(c, u)], sum[m][c]);
                }
            }
        }
    }
}

#if ABREAST > 1
#define VECTORS TILES(OUT_WIDTH, ABREAST)
/* The same for whole rows whose outputs are abreast: what each tap makes of a row is summed where the outputs are, and only then moved to the
 * cells that the tap met, so that no vector reaches over a border. */
INLINED void gather_abreast(REALV sum[MAPS_TILE][COLUMNS_TILE], GLOBAL const REAL* delta, GLOBAL const REAL* theta OFFSETS,
                            const int j0, const int iz, const int iy)
{
    REALX of_tap[MAPS_TILE][TAPS_X][VECTORS];
    UNROLLED(m, MAPS_TILE) UNROLLED(u, TAPS_X) UNROLLED(v, VECTORS) of_tap[m][u][v] = (REALX)(0);

    const int z = iz + PAD_Z, y = iy + PAD_Y;
    for (int i = 0; i < OUT_MAPS; ++i) {
        for (int uz = FIRST_TAP(z, OUT_DEPTH, STRIDE_Z); uz < END_TAP(z, TAPS_Z); uz += STRIDE_Z) {
            for (int uy = FIRST_TAP(y, OUT_HEIGHT, STRIDE_Y); uy < END_TAP(y, TAPS_Y); uy += STRIDE_Y) {
                const int oz = (z - uz) / STRIDE_Z, oy = (y - uy) / STRIDE_Y;
                GLOBAL const REAL* line = delta + AT((((INDEX)i * OUT_DEPTH + oz) * OUT_HEIGHT + oy) * OUT_WIDTH);
                REALX seen[VECTORS];
                UNROLLED(v, VECTORS) seen[v] = LOADX(line, START(v, OUT_WIDTH) * LANES);
                UNROLLED(m, MAPS_TILE) {
                    const int kernel_at = KERNEL_AT(i, j0 + m);
                    if (!CONNECTED(kernel_at)) continue;
                    GLOBAL const REAL* taps = theta + kernel_at + (uz * TAPS_Y + uy) * TAPS_X;
                    UNROLLED(u, TAPS_X) UNROLLED(v, VECTORS)
                        of_tap[m][u][v] = FMA((REALX)(taps[u]), seen[v], of_tap[m][u][v]);
                }
            }
        }
    }
    UNROLLED(m, MAPS_TILE) {
        REAL outputs[TAPS_X][OUT_WIDTH * LANES];
        UNROLLED(u, TAPS_X) UNROLLED(v, VECTORS) STOREX(of_tap[m][u][v], outputs[u], START(v, OUT_WIDTH) * LANES);
        UNROLLED(c, COLUMNS) {
            sum[m][c] = (REALV)(0);
            UNROLLED(u, TAPS_X) if (INSIDE(c - u, OUT_WIDTH)) sum[m][c] += LOADV(outputs[u], (c - u) * LANES);
        }
    }
}
#endif

ONE_ITEM_A_BLOCK KERNEL void backpropagate(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                                           GLOBAL const REAL* RESTRICT z_in, GLOBAL const REAL* RESTRICT y_in,
                                           GLOBAL REAL* RESTRICT dy_in OFFSETS)
{
    int item = GROUP_ID(0);
    const int column_tile = item % COLUMN_TILES;
    item /= COLUMN_TILES;
    const int own_j = item % MAP_TILES * MAPS_TILE;
    item /= MAP_TILES;
    const int iy = item % IN_HEIGHT;
    item /= IN_HEIGHT;
    const int iz = item % IN_DEPTH, block = item / IN_DEPTH;
    const int j0 = TILE_BACK(own_j, MAPS_TILE, IN_MAPS), ix0 = column_tile * COLUMNS_TILE;

    REALV sum[MAPS_TILE][COLUMNS_TILE];
    delta += (INDEX)block * OUT_MAPS * OUT_DEPTH * OUT_HEIGHT * OUT_WIDTH * LANES;
#if ABREAST > 1
    gather_abreast(sum, delta, theta + theta0 THE_OFFSETS, j0, iz, iy);
#else
    ON_COLUMN_TILE(column_tile, gather, sum, delta, theta + theta0 THE_OFFSETS, j0, iz, iy);
#endif

    REALV result[MAPS_TILE][COLUMNS_TILE];
    UNROLLED(m, MAPS_TILE) UNROLLED(c, COLUMNS_TILE) result[m][c] = sum[m][c];
    NOT_UNROLLED(m, MAPS_TILE) {
        if (j0 + m < own_j) continue;
        const INDEX line = ((((INDEX)block * IN_MAPS + j0 + m) * IN_DEPTH + iz) * IN_HEIGHT + iy) * IN_WIDTH + ix0;
        UNROLLED(c, COLUMNS_TILE) if (ix0 + c < COLUMNS) {
#if BELOW
            const REALV z = LOADV(z_in, AT(line + c)), y = LOADV(y_in, AT(line + c));
            result[m][c] *= PHI_PRIME(z, y);
#endif
            STOREV(result[m][c], dy_in, AT(line + c));
        }
    }
}
