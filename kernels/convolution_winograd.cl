/* Convolution with 3x3 taps and strides of 1 by Winograd's F(2x2, 3x3): four ninths of the multiplications (Winograd 1980; Lavin and Gray 2016).
 * Forward (Hedberg 2015, Eqs. 60-62), with the max pooling that follows where asked for; or BACK to the input (Eqs. 70-75), where `from`
 * are deltas, `to` slopes of the input, and kernels are turned round.
 *
 *   filters     weights[p][j][i] = (G w_ij G^T)[p]
 *   correlate   to[block][i] = A^T (sum over j of weights[.][j][i] (B^T d_j B)) A for every tile of 2x2, of which d_j are the 4x4 values of
 *               from[block][j] that it sees; forward plus bias, then phi
 *
 *         1   0   0
 *   G =  1/2 1/2 1/2    A^T =  1 1  1  0    B^T: winograd.h
 *        1/2 -1/2 1/2          0 1 -1 -1
 *         0   0   1
 *
 * Lanes are samples, so that all but `filters` is arithmetic of vectors, and a product of matrices for each of the 16 positions p.
 * Work: an item takes one row of tiles after another, COLUMNS_TILE tiles at a time: it leaves their positions in its own part of `seen`,
 * [p][j][tile][lane], multiplies them by MAPS_TILE maps at a time, and leaves the products behind them, [p][i][tile][lane].
 * Grid: filters (FILTERS of FROM_MAPS * TO_MAPS); correlate (STRIPS, blocks), item s of a block takes every STRIPS-th row of tiles.
 * Group: LANES / V items on axis 0.   Memory: none shared.
 * Writes, forward: as convolution_forward.cl.
 * Defines: those of prelude.h, activations.h; FROM_MAPS FROM_HEIGHT FROM_WIDTH TO_MAPS TO_HEIGHT TO_WIDTH; BORDER_Y BORDER_X, which lie around
 *          `from`; BACK; BIASES, where they begin; STRIPS; forward SAVE_Z, or POOL_Y POOL_X, which divide 2, and WINNER_BITS.
 *          Free, and of equal bits: MAPS_TILE <= TO_MAPS, COLUMNS_TILE.
 */
#include "prelude.h"
#include "lanes.h"
#include "activations.h"
#include "winograd.h"
#define FILTERS 64

KERNEL void filters(GLOBAL const REAL* RESTRICT theta, INDEX theta0, GLOBAL REAL* RESTRICT weights)
{
    const int first = GROUP_ID(0) * FILTERS;
    for (int n = first + LOCAL_ID(0); n < first + FILTERS && n < FROM_MAPS * TO_MAPS; n += LOCAL_SIZE(0)) {
        const int j = n / TO_MAPS, i = n % TO_MAPS;
        GLOBAL const REAL* w = theta + theta0 + (BACK ? n : i * FROM_MAPS + j) * (INDEX)TAPS;
        REAL turned[SIDE][3];
        UNROLLED(c, 3) {
            const REAL w0 = w[BACK ? 8 - c : c], w1 = w[BACK ? 5 - c : 3 + c], w2 = w[BACK ? 2 - c : 6 + c];
            turned[0][c] = w0;
            turned[1][c] = REALC(0.5) * (w0 + w1 + w2);
            turned[2][c] = REALC(0.5) * (w0 - w1 + w2);
            turned[3][c] = w2;
        }
        GLOBAL REAL* target = weights + n;
        UNROLLED(r, SIDE) {
            const REAL h0 = turned[r][0], h1 = turned[r][1], h2 = turned[r][2];
            target[(INDEX)(r * SIDE + 0) * FROM_MAPS * TO_MAPS] = h0;
            target[(INDEX)(r * SIDE + 1) * FROM_MAPS * TO_MAPS] = REALC(0.5) * (h0 + h1 + h2);
            target[(INDEX)(r * SIDE + 2) * FROM_MAPS * TO_MAPS] = REALC(0.5) * (h0 - h1 + h2);
            target[(INDEX)(r * SIDE + 3) * FROM_MAPS * TO_MAPS] = h2;
        }
    }
}

#if BACK
typedef REAL KEPT;
#define SAVE_Z 0
#elif defined(WINNER_BITS)
#include "winners.h"
typedef WINNER KEPT;
#else
typedef REAL KEPT;
#endif
#ifndef POOL_X
#define POOL_Y 1
#define POOL_X 1
#endif
#if MADE % POOL_Y || MADE % POOL_X
#error "a tile holds whole windows"
#endif
#define ROWS (TO_HEIGHT / POOL_Y * POOL_Y)
#define COLUMNS (TO_WIDTH / POOL_X * POOL_X)
#define TILES_OF_ROW TILES(COLUMNS, MADE)

/* A^T p A. */
INLINED void values_of(REALV z[MADE][MADE], const REALV p[POSITIONS])
{
    REALV turned[MADE][SIDE];
    UNROLLED(c, SIDE) {
        turned[0][c] = p[c] + p[4 + c] + p[8 + c];
        turned[1][c] = p[4 + c] - p[8 + c] - p[12 + c];
    }
    UNROLLED(r, MADE) {
        z[r][0] = turned[r][0] + turned[r][1] + turned[r][2];
        z[r][1] = turned[r][1] - turned[r][2] - turned[r][3];
    }
}

/* Write the tile of map i whose corner is (y, x): of `kept` and `to` the planes of that map. */
INLINED void finish(const REALV z[MADE][MADE], const int y, const int x, GLOBAL KEPT* kept, GLOBAL REAL* to)
{
    REALV result[MADE / POOL_Y * (MADE / POOL_X)];
#ifdef WINNER_BITS
    LANE_INT winner[MADE / POOL_Y * (MADE / POOL_X)];
#endif
    UNROLLED(r, MADE / POOL_Y) UNROLLED(c, MADE / POOL_X) {
        REALV best = z[r * POOL_Y][c * POOL_X];
#ifdef WINNER_BITS
        LANE_INT won = (LANE_INT)(0);
        UNROLLED(uy, POOL_Y) UNROLLED(ux, POOL_X)
            TAKE_LARGER(best, won, z[r * POOL_Y + uy][c * POOL_X + ux], uy * POOL_X + ux);
        winner[r * (MADE / POOL_X) + c] = won;
#endif
        result[r * (MADE / POOL_X) + c] = best;
    }
    NOT_UNROLLED(n, MADE / POOL_Y * (MADE / POOL_X)) {
        const int r = n / (MADE / POOL_X), c = n % (MADE / POOL_X);
        if (y + r * POOL_Y >= ROWS || x + c * POOL_X >= COLUMNS) continue;
        const INDEX at = AT((INDEX)(y / POOL_Y + r) * (COLUMNS / POOL_X) + x / POOL_X + c);
#ifdef WINNER_BITS
        STORE_WINNERS(winner[n], kept, at);
#else
        if (SAVE_Z) STOREV(result[n], kept, at);
#endif
        STOREV(BACK ? result[n] : PHI(result[n]), to, at);
    }
}

ONE_ITEM_A_BLOCK KERNEL void correlate(GLOBAL const REAL* RESTRICT from, GLOBAL const REAL* RESTRICT weights,
                                       GLOBAL const REAL* RESTRICT theta, INDEX theta0, GLOBAL REAL* RESTRICT seen,
                                       GLOBAL KEPT* RESTRICT kept, GLOBAL REAL* RESTRICT to)
{
    const int strip = GROUP_ID(0), block = GROUP_ID(1);
    const INDEX plane = (INDEX)(ROWS / POOL_Y) * (COLUMNS / POOL_X) * LANES;
    from += (INDEX)block * FROM_MAPS * FROM_HEIGHT * FROM_WIDTH * LANES;
    kept += block * TO_MAPS * plane;
    to += block * TO_MAPS * plane;
    seen += ((INDEX)block * STRIPS + strip) * POSITIONS * (FROM_MAPS + TO_MAPS) * COLUMNS_TILE * LANES;
    GLOBAL REAL* products = seen + (INDEX)POSITIONS * FROM_MAPS * COLUMNS_TILE * LANES;

    for (int y = strip * MADE; y < ROWS; y += STRIPS * MADE) {
        for (int tile0 = 0; tile0 < TILES_OF_ROW; tile0 += COLUMNS_TILE) {
            for (int j = 0; j < FROM_MAPS; ++j) {
                NOT_UNROLLED(t, COLUMNS_TILE) {
                    REALV p[POSITIONS];
                    positions_of(p, from + (INDEX)j * FROM_HEIGHT * FROM_WIDTH * LANES, y - BORDER_Y, (tile0 + t) * MADE - BORDER_X);
                    UNROLLED(n, POSITIONS) STOREV(p[n], seen, AT(((INDEX)n * FROM_MAPS + j) * COLUMNS_TILE + t));
                }
            }
            /* Position by position: what is seen there stays in the first cache for all maps. */
            for (int p = 0; p < POSITIONS; ++p) {
                GLOBAL const REAL* s = seen + (INDEX)p * FROM_MAPS * COLUMNS_TILE * LANES;
                for (int i = 0; i < TO_MAPS; i += MAPS_TILE) {
                    const int i0 = TILE_BACK(i, MAPS_TILE, TO_MAPS);
                    GLOBAL const REAL* w = weights + (INDEX)p * FROM_MAPS * TO_MAPS + i0;
                    REALV sum[MAPS_TILE][COLUMNS_TILE];
                    UNROLLED(m, MAPS_TILE) UNROLLED(t, COLUMNS_TILE) sum[m][t] = (REALV)(0);
                    for (int j = 0; j < FROM_MAPS; ++j) {
                        REALV x[COLUMNS_TILE];
                        UNROLLED(t, COLUMNS_TILE) x[t] = LOADV(s, AT(j * COLUMNS_TILE + t));
                        UNROLLED(m, MAPS_TILE) {
                            const REALV weight = (REALV)(w[j * TO_MAPS + m]);
                            UNROLLED(t, COLUMNS_TILE) sum[m][t] = FMA(weight, x[t], sum[m][t]);
                        }
                    }
                    UNROLLED(m, MAPS_TILE) UNROLLED(t, COLUMNS_TILE)
                        STOREV(sum[m][t], products, AT(((INDEX)p * TO_MAPS + i0 + m) * COLUMNS_TILE + t));
                }
            }
            NOT_UNROLLED(n, TO_MAPS * COLUMNS_TILE) {
                const int i = n / COLUMNS_TILE, x = (tile0 + n % COLUMNS_TILE) * MADE;
                if (x >= COLUMNS) continue;
                REALV p[POSITIONS], z[MADE][MADE];
                UNROLLED(k, POSITIONS) p[k] = LOADV(products, AT((INDEX)k * TO_MAPS * COLUMNS_TILE + n));
                values_of(z, p);
#if !BACK
                const REALV bias = (REALV)(theta[theta0 + BIASES + i]);
                UNROLLED(r, MADE) UNROLLED(c, MADE) z[r][c] += bias;
#endif
                finish(z, y, x, kept + i * plane, to + i * plane);
            }
        }
    }
}
