/* Convolution, forward (Hedberg 2015, Eqs. 60-62; bias and phi fused, and where asked for the max pooling that follows).
 *
 *   y[block][i][x][lane] = phi(z),   z = b_i + sum over j in D_i, u of in[block][j][k x + u - p][lane] w_ij[u]
 *
 * Work: a work-item computes a tile of MAPS_TILE maps x ROWS_TILE rows x COLUMNS_TILE columns of one block.
 * Grid: blocks * OUT_DEPTH * ROW_TILES * MAP_TILES * COLUMN_TILES groups (ceilings), columns fastest, of LANES / V items.
 * Memory: none shared. A tile reads its input rows once; weights are broadcast from theta.
 * Output: y, and z in `kept` where KEEP_Z is 1 (else nothing is written there).
 * With POOL_Y and POOL_X: y is [block][i][z][y / POOL_Y][x / POOL_X][lane], phi of the maximum of each complete window (so phi
 * must not decrease), and `kept`, a byte for each of them, says which one it was, the first in row-major order; a NaN wins.
 * Defines: those of prelude.h, activations.h, convolution.h; MAPS_TILE <= OUT_MAPS, ROWS_TILE <= OUT_HEIGHT, COLUMNS_TILE <=
 *          OUT_WIDTH; KEEP_Z; or POOL_Y and POOL_X, where ROWS_TILE and COLUMNS_TILE are multiples of them.
 */
#include "prelude.h"
#include "activations.h"
#include "convolution.h"

#ifdef POOL_X
#define ROWS (OUT_HEIGHT / POOL_Y * POOL_Y)
#define COLUMNS (OUT_WIDTH / POOL_X * POOL_X)
#else
#define ROWS OUT_HEIGHT
#define COLUMNS OUT_WIDTH
#endif
#define MAP_TILES TILES(OUT_MAPS, MAPS_TILE)
#define ROW_TILES TILES(ROWS, ROWS_TILE)

#define WINDOW ((COLUMNS_TILE - 1) * STRIDE_X + TAPS_X)
#define WINDOW_ROWS ((ROWS_TILE - 1) * STRIDE_Y + TAPS_Y)

/* Tiles that begin at columns FIRST_INNER to LAST_INNER read nothing outside. */
#define FIRST_INNER TILES(PAD_X, STRIDE_X)
#define LAST_INNER (IN_WIDTH + PAD_X < WINDOW ? -1 : (IN_WIDTH + PAD_X - WINDOW) / STRIDE_X)

/* z := b + the sum over inputs and taps, for the tile whose corner is map i0, plane oz, row oy0, column ox0. */
DEVICE void convolve(REALV z[MAPS_TILE][ROWS_TILE][COLUMNS_TILE], GLOBAL const REAL* in, GLOBAL const REAL* theta,
                     const int i0, const int oz, const int oy0, const int ox0, const int inner)
{
    UNROLLED(m, MAPS_TILE) UNROLLED(r, ROWS_TILE) UNROLLED(c, COLUMNS_TILE) z[m][r][c] = (REALV)(theta[BIASES + i0 + m]);

    const int ix0 = ox0 * STRIDE_X - PAD_X;
    for (int j = 0; j < IN_MAPS; ++j) {
        for (int uz = 0; uz < TAPS_Z; ++uz) {
            const int iz = oz * STRIDE_Z + uz - PAD_Z;
            if (PAD_Z && !INSIDE(iz, IN_DEPTH)) continue;
#if ROWS_TILE > 1
            UNROLLED(row, WINDOW_ROWS) {
#else
            for (int row = 0; row < WINDOW_ROWS; ++row) {
#endif
                const int iy = oy0 * STRIDE_Y + row - PAD_Y;
                if (PAD_Y && !INSIDE(iy, IN_HEIGHT)) continue;
                GLOBAL const REAL* line = in + AT((INDEX)((j * IN_DEPTH + iz) * IN_HEIGHT + iy) * IN_WIDTH + ix0);
                REALV window[WINDOW];
                UNROLLED(n, WINDOW) if (inner || INSIDE(ix0 + n, IN_WIDTH)) window[n] = LOADV(line, n * LANES);
                UNROLLED(u, TAPS_X) UNROLLED(m, MAPS_TILE) UNROLLED(r, ROWS_TILE) {
                    const int uy = row - r * STRIDE_Y;
                    const int kernel_ = KERNEL_AT(i0 + m, j);
                    if (!INSIDE(uy, TAPS_Y) || !CONNECTED(kernel_)) continue;
                    const REALV w = (REALV)(theta[kernel_ + (uz * TAPS_Y + uy) * TAPS_X + u]);
                    UNROLLED(c, COLUMNS_TILE)
                    if (inner || INSIDE(ix0 + c * STRIDE_X + u, IN_WIDTH))
                        z[m][r][c] = FMA(w, window[c * STRIDE_X + u], z[m][r][c]);
                }
            }
        }
    }
}


#ifdef POOL_X
#define KEPT uchar

/* Replace `largest` by z where that is larger, or the first NaN. */
#define CHOOSE(largest, which, z, n)                                                 \
    do {                                                                             \
        const CHOICE better = ((z) > (largest)) | (((z) != (z)) & ((largest) == (largest))); \
        largest = better ? (z) : (largest);                                          \
        which = better ? (CHOICE)(n) : (which);                                      \
    } while (0)
#else
#define KEPT REAL
#endif
