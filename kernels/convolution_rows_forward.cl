/* Convolution, forward (Hedberg 2015, Eqs. 60-62), by minimal algorithms for rows of taps (rows.h); bias and phi fused, and where asked for the
 * max pooling that follows.
 *
 *   z[block][i][oz][oy] = b_i + MAKE(sum over j in D_i, uz, uy of weights[.][ij, uz, uy] seen[block][.][j][k oz + uz - p][k oy + uy - p])
 *
 * Work: an item computes MAPS_TILE maps x ROWS_TILE rows x TILES_TILE tiles of MADE columns of one block, point by point.
 * Grid: (blocks * OUT_DEPTH * row tiles * map tiles * tiles of tiles), columns fastest; the last tiles are moved back.
 * Group: one item, V = LANES.   Memory: none shared.
 * Writes: as convolution_forward.cl.
 * Defines: those of prelude.h, activations.h, convolution.h, rows.h; SAVE_Z, or POOL_Y POOL_X, which divides MADE, and WINNER_BITS. Free, and of
 *          equal bits: MAPS_TILE <= OUT_MAPS, ROWS_TILE <= OUT_HEIGHT, a multiple of POOL_Y, TILES_TILE <= TILES_OF_ROW.
 */
#include "prelude.h"
#include "convolution.h"
#include "rows.h"

#ifdef WINNER_BITS
#include "winners.h"
typedef WINNER KEPT;
#if ROWS_TILE % POOL_Y || MADE % POOL_X
#error "a tile holds whole windows"
#endif
#else
typedef REAL KEPT;
#define POOL_Y 1
#define POOL_X 1
#endif
#include "activations.h"
/* Of outputs that are computed; of what is written. */
#define ROWS (OUT_HEIGHT / POOL_Y * POOL_Y)
#define WIDTH (OUT_WIDTH / POOL_X)

#define MAP_TILES TILES(OUT_MAPS, MAPS_TILE)
#define ROW_TILES TILES(ROWS, ROWS_TILE)
#define COLUMN_TILES TILES(TILES_OF_ROW, TILES_TILE)

/* The products of the tile whose corner is map i0, plane oz, row oy0, tile t0. */
INLINED void multiply(REALV products[MAPS_TILE][ROWS_TILE][TILES_TILE][POINTS], GLOBAL const REAL* seen, GLOBAL const REAL* weights OFFSETS,
                      const int i0, const int oz, const int oy0, const int t0)
{
    NOT_UNROLLED(p, POINTS) {
        REALV sum[MAPS_TILE][ROWS_TILE][TILES_TILE];
        UNROLLED(m, MAPS_TILE) UNROLLED(r, ROWS_TILE) UNROLLED(t, TILES_TILE) sum[m][r][t] = (REALV)(0);
        for (int j = 0; j < IN_MAPS; ++j) {
            for (int uz = 0; uz < TAPS_Z; ++uz) {
                const int iz = oz * STRIDE_Z + uz - PAD_Z;
                if (LEAVES_Z && !INSIDE(iz, IN_DEPTH)) continue;
                UNROLLED(uy, TAPS_Y) {
                    REALV values[ROWS_TILE][TILES_TILE];
                    UNROLLED(r, ROWS_TILE) {
                        const int iy = (oy0 + r) * STRIDE_Y + uy - PAD_Y;
                        UNROLLED(t, TILES_TILE) {
                            values[r][t] = (REALV)(0);
                            if (!LEAVES_Y || INSIDE(iy, IN_HEIGHT)) values[r][t] = LOADV(seen, SEEN_AT(j, iz, iy) + AT(t0 + t));
                        }
                    }
                    UNROLLED(m, MAPS_TILE) {
                        const int kernel_at = KERNEL_AT(i0 + m, j);
                        if (!CONNECTED(kernel_at)) continue;
                        const REALV weight = (REALV)(weights[ROW_OF(kernel_at, uz, uy)]);
                        UNROLLED(r, ROWS_TILE) UNROLLED(t, TILES_TILE) sum[m][r][t] = FMA(weight, values[r][t], sum[m][r][t]);
                    }
                }
            }
        }
        UNROLLED(m, MAPS_TILE) UNROLLED(r, ROWS_TILE) UNROLLED(t, TILES_TILE) products[m][r][t][p] = sum[m][r][t];
        seen += SEEN_POINT;
        weights += TAP_ROWS;
    }
}

/* Write what a tile's products make: `kept` and `y` begin with the row of its windows, of which `column` is the first. */
INLINED void finish(const REALV products[POOL_Y][TILES_TILE][POINTS], const int t, const REAL bias, GLOBAL KEPT* kept, GLOBAL REAL* y,
                    const int column)
{
    REALV z[POOL_Y][MADE];
    UNROLLED(uy, POOL_Y) {
        REALV p[POINTS];
        UNROLLED(k, POINTS) p[k] = products[uy][t][k];
        MAKE(z[uy], p);
        UNROLLED(n, MADE) z[uy][n] += (REALV)(bias);
    }
    UNROLLED(c, MADE / POOL_X) if (column + c < WIDTH) {
        REALV best = z[0][c * POOL_X];
#ifdef WINNER_BITS
        LANE_INT won = (LANE_INT)(0);
        UNROLLED(uy, POOL_Y) UNROLLED(ux, POOL_X) TAKE_LARGER(best, won, z[uy][c * POOL_X + ux], uy * POOL_X + ux);
        STORE_WINNERS(won, kept, AT(column + c));
#else
        if (SAVE_Z) STOREV(best, kept, AT(column + c));
#endif
        STOREV(PHI(best), y, AT(column + c));
    }
}

ONE_ITEM_A_BLOCK KERNEL void forward(GLOBAL const REAL* RESTRICT seen, GLOBAL const REAL* RESTRICT weights, GLOBAL const REAL* RESTRICT theta,
                                     INDEX theta0, GLOBAL KEPT* RESTRICT kept, GLOBAL REAL* RESTRICT y OFFSETS)
{
    int item = GROUP_ID(0);
    const int own_t = item % COLUMN_TILES * TILES_TILE;
    item /= COLUMN_TILES;
    const int own_i = item % MAP_TILES * MAPS_TILE;
    item /= MAP_TILES;
    const int own_oy = item % ROW_TILES * ROWS_TILE;
    item /= ROW_TILES;
    const int oz = item % OUT_DEPTH, block = item / OUT_DEPTH;
    const int i0 = TILE_BACK(own_i, MAPS_TILE, OUT_MAPS), oy0 = TILE_BACK(own_oy, ROWS_TILE, ROWS);
    const int t0 = TILE_BACK(own_t, TILES_TILE, TILES_OF_ROW);

    REALV products[MAPS_TILE][ROWS_TILE][TILES_TILE][POINTS];
    multiply(products, seen + block * SEEN_BLOCK, weights + WEIGHTS_AT(block) THE_OFFSETS, i0, oz, oy0, t0);
    NOT_UNROLLED(m, MAPS_TILE) NOT_UNROLLED(r, ROWS_TILE / POOL_Y) {
        if (i0 + m < own_i || oy0 + r * POOL_Y < own_oy) continue;
        const INDEX row = (((INDEX)block * OUT_MAPS + i0 + m) * OUT_DEPTH + oz) * (ROWS / POOL_Y) + oy0 / POOL_Y + r;
        for (int t = own_t - t0; t < TILES_TILE; ++t)
            finish(&products[m][r * POOL_Y], t, theta[theta0 + BIASES + i0 + m], kept + AT(row * WIDTH), y + AT(row * WIDTH),
                   (t0 + t) * (MADE / POOL_X));
    }
}
