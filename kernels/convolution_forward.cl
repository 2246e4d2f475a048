/* Convolution, forward (Hedberg 2015, Eqs. 60-62); bias and phi fused, and where asked for the max pooling that follows.
 *
 *   y[block][i][x][lane] = phi(z),   z = b_i + sum over j in D_i, u of y_in[block][j][k x + u - p][lane] w_ij[u]
 *
 * Work: an item computes a tile of MAPS_TILE maps x ROWS_TILE rows x COLUMNS_TILE columns of one block.
 * Grid: (blocks * OUT_DEPTH * ROW_TILES * MAP_TILES * COLUMN_TILES), columns fastest; the last tiles are moved back or cut.
 * Group: LANES / V items.   Memory: none shared; a tile reads its rows of y_in once, weights are broadcast from theta.
 * Writes y, and z into `kept` where SAVE_Z is 1. With POOL_Y and POOL_X it writes instead phi of the maximum of every complete
 * window, [block][i][z][y / POOL_Y][x / POOL_X][lane], and into `kept` its winner (winners.h): as max_pooling.cl on y, if phi
 * does not decrease, though where phi rounds two values to one, the larger z wins.
 * Defines: those of prelude.h, activations.h, convolution.h; SAVE_Z, or POOL_Y POOL_X WINNER_BITS. Free, and of equal bits:
 *          MAPS_TILE <= OUT_MAPS, ROWS_TILE <= OUT_HEIGHT, COLUMNS_TILE; multiples of POOL_Y and POOL_X where there is pooling.
 */
#include "prelude.h"
#include "convolution.h"

#ifdef WINNER_BITS
#include "winners.h"
typedef WINNER KEPT;
#define ROWS (OUT_HEIGHT / POOL_Y * POOL_Y)
#define COLUMNS (OUT_WIDTH / POOL_X * POOL_X)
#if ROWS_TILE % POOL_Y || COLUMNS_TILE % POOL_X
#error "a tile holds whole windows"
#endif
#else
typedef REAL KEPT;
#define POOL_Y 1
#define POOL_X 1
#define ROWS OUT_HEIGHT
#define COLUMNS OUT_WIDTH
#endif
#define MAP_TILES TILES(OUT_MAPS, MAPS_TILE)
#define ROW_TILES TILES(ROWS, ROWS_TILE)

/* A tile's columns are in so many VECTORS; tiles that are cut ask for each column. */
#if COLUMNS % COLUMNS_TILE == 0 && COLUMNS_TILE >= MOST_ABREAST
#define ABREAST MOST_ABREAST
#else
#define ABREAST 1
#endif
#define VECTORS TILES(COLUMNS_TILE, ABREAST)
#include "abreast.h"

/* What a tile writes: vectors of columns, or columns of maxima. */
#define RESULT_ROWS (ROWS_TILE / POOL_Y)
#ifdef WINNER_BITS
#define RESULT_COLUMNS (COLUMNS_TILE / POOL_X)
#define COLUMN_OF(c) (c)
#define VALUES REALV
#else
#define RESULT_COLUMNS VECTORS
#define COLUMN_OF(c) START(c, COLUMNS_TILE)
#define VALUES REALX
#endif
#define RESULTS (MAPS_TILE * RESULT_ROWS * RESULT_COLUMNS)
#define RESULT(m, r, c) (((m) * RESULT_ROWS + (r)) * RESULT_COLUMNS + (c))
#include "activations.h"

/* The part of the input that a tile sees. */
#define WINDOW ((COLUMNS_TILE - 1) * STRIDE_X + TAPS_X)
#define SEEN (START(VECTORS - 1, COLUMNS_TILE) * STRIDE_X + TAPS_X)
#define WINDOW_ROWS ((ROWS_TILE - 1) * STRIDE_Y + TAPS_Y)
#define FIRST_INNER TILES(PAD_X, STRIDE_X)
#define LAST_INNER (IN_WIDTH + PAD_X < WINDOW ? -1 : (IN_WIDTH + PAD_X - WINDOW) / STRIDE_X)

/* z := b + the sum over inputs and taps, for the tile whose corner is map i0, plane oz, row oy0, column ox0. */
INLINED void convolve(REALX z[MAPS_TILE][ROWS_TILE][VECTORS], GLOBAL const REAL* y_in, GLOBAL const REAL* theta OFFSETS,
                      const int i0, const int oz, const int oy0, const int ox0, const int inner)
{
    UNROLLED(m, MAPS_TILE) UNROLLED(r, ROWS_TILE) UNROLLED(v, VECTORS) z[m][r][v] = (REALX)(theta[BIASES + i0 + m]);

    const int ix0 = ox0 * STRIDE_X - PAD_X;
    for (int j = 0; j < IN_MAPS; ++j) {
        for (int uz = 0; uz < TAPS_Z; ++uz) {
            const int iz = oz * STRIDE_Z + uz - PAD_Z;
            if (LEAVES_Z && !INSIDE(iz, IN_DEPTH)) continue;
            for (int row = 0; row < WINDOW_ROWS; ++row) {
                const int iy = oy0 * STRIDE_Y + row - PAD_Y;
                if (LEAVES_Y && !INSIDE(iy, IN_HEIGHT)) continue;
                GLOBAL const REAL* line = y_in + AT((((INDEX)j * IN_DEPTH + iz) * IN_HEIGHT + iy) * IN_WIDTH + ix0);
                REALX window[SEEN];
                UNROLLED(n, SEEN) if (inner || INSIDE(ix0 + n, IN_WIDTH)) window[n] = LOADX(line, n * LANES);
                UNROLLED(r, ROWS_TILE) {
                    const int uy = row - r * STRIDE_Y;
                    if (ROWS_TILE == 1 || INSIDE(uy, TAPS_Y)) {
                        UNROLLED(m, MAPS_TILE) {
                            const int kernel_at = KERNEL_AT(i0 + m, j);
                            if (!CONNECTED(kernel_at)) continue;
                            GLOBAL const REAL* taps = theta + kernel_at + (uz * TAPS_Y + uy) * TAPS_X;
                            UNROLLED(u, TAPS_X) UNROLLED(v, VECTORS) {
                                const int c = START(v, COLUMNS_TILE), x = c * STRIDE_X + u;
                                if (inner || (ox0 + c < COLUMNS && INSIDE(ix0 + x, IN_WIDTH)))
                                    z[m][r][v] = FMA((REALX)(taps[u]), window[x], z[m][r][v]);
                            }
                        }
                    }
                }
            }
        }
    }
}

#ifdef WINNER_BITS
/* The columns of a row's vectors, one by one. */
INLINED void to_columns(REALV column[COLUMNS_TILE], const REALX vector[VECTORS])
{
#if ABREAST == 1
    UNROLLED(c, COLUMNS_TILE) column[c] = vector[c];
#else
    REAL row[COLUMNS_TILE * LANES];
    UNROLLED(v, VECTORS) STOREX(vector[v], row, START(v, COLUMNS_TILE) * LANES);
    UNROLLED(c, COLUMNS_TILE) column[c] = LOADV(row, c * LANES);
#endif
}
#endif

ONE_ITEM_A_BLOCK KERNEL void forward(GLOBAL const REAL* RESTRICT y_in, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                                     GLOBAL KEPT* RESTRICT kept, GLOBAL REAL* RESTRICT y OFFSETS)
{
    int item = GROUP_ID(0);
    const int column_tile = item % COLUMN_TILES;
    item /= COLUMN_TILES;
    const int own_i = item % MAP_TILES * MAPS_TILE;
    item /= MAP_TILES;
    const int own_oy = item % ROW_TILES * ROWS_TILE;
    item /= ROW_TILES;
    const int oz = item % OUT_DEPTH, block = item / OUT_DEPTH;
    const int i0 = TILE_BACK(own_i, MAPS_TILE, OUT_MAPS), oy0 = TILE_BACK(own_oy, ROWS_TILE, ROWS);
    const int ox0 = column_tile * COLUMNS_TILE;

    REALX z[MAPS_TILE][ROWS_TILE][VECTORS];
    y_in += (INDEX)block * IN_MAPS * IN_DEPTH * IN_HEIGHT * IN_WIDTH * LANES;
    ON_COLUMN_TILE(column_tile, convolve, z, y_in, theta + theta0 THE_OFFSETS, i0, oz, oy0);

    VALUES result[RESULTS];
#ifdef WINNER_BITS
    LANE_INT winner[RESULTS];
    UNROLLED(m, MAPS_TILE) UNROLLED(r, ROWS_TILE / POOL_Y) {
        REALV column[POOL_Y][COLUMNS_TILE];
        UNROLLED(uy, POOL_Y) to_columns(column[uy], z[m][r * POOL_Y + uy]);
        UNROLLED(c, COLUMNS_TILE / POOL_X) {
            REALV best = column[0][c * POOL_X];
            LANE_INT won = (LANE_INT)(0);
            UNROLLED(uy, POOL_Y) UNROLLED(ux, POOL_X) TAKE_LARGER(best, won, column[uy][c * POOL_X + ux], uy * POOL_X + ux);
            result[RESULT(m, r, c)] = best;
            winner[RESULT(m, r, c)] = won;
        }
    }
#else
    UNROLLED(m, MAPS_TILE) UNROLLED(r, ROWS_TILE) UNROLLED(v, VECTORS) result[RESULT(m, r, v)] = z[m][r][v];
#endif
    NOT_UNROLLED(n, RESULTS) {
        const int c = COLUMN_OF(n % RESULT_COLUMNS), r = n / RESULT_COLUMNS % RESULT_ROWS;
        const int i = i0 + n / RESULT_COLUMNS / RESULT_ROWS;
        if (i < own_i || oy0 + r * POOL_Y < own_oy || ox0 + c * POOL_X >= COLUMNS) continue;
        const INDEX line = (((INDEX)block * OUT_MAPS + i) * OUT_DEPTH + oz) * (ROWS / POOL_Y) + oy0 / POOL_Y + r;
        const INDEX at = AT(line * (COLUMNS / POOL_X) + ox0 / POOL_X + c);
#ifdef WINNER_BITS
        STORE_WINNERS(winner[n], kept, at);
        STOREV(PHI(result[n]), y, at);
#else
        if (SAVE_Z) STOREX(result[n], kept, at);
        STOREX(PHI(result[n]), y, at);
#endif
    }
}
