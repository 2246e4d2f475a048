/* Convolution with 3x3 taps and strides of 1 by Winograd's algorithm (winograd.h): four ninths of the multiplications, or a quarter.
 * Forward (Hedberg 2015, Eqs. 60-62), with the max pooling that follows where asked for; or BACK to the input (Eqs. 70-75), where `from`
 * are deltas, `to` slopes of the input, and kernels are turned round.
 *
 *   filters     weights[p][j][i] = (G w_ij G^T)[p], 0 beyond the last map i up to a multiple of LANES
 *   correlate   to[block][i] = A^T (sum over j of weights[.][j][i] (B^T d_j B)) A for every tile of outputs, of which d_j are the values of
 *               from[block][j] that it sees; forward plus bias, then phi
 *
 * Lanes are samples, so that all but `filters` is arithmetic of vectors, with a product of matrices for each of the positions p.
 * Work: an item takes RUN tiles at a time. It leaves their positions in its own part of `seen`, [p][j][tile][lane], multiplies them, and
 * leaves the products behind them, [p][i][tile][lane].
 * Grid: filters (FILTERS of FROM_MAPS * vectors of maps i); correlate (STRIPS, blocks), to which the tiles of a block are dealt.
 * Group: one item, V = LANES.   Memory: none shared.
 * Writes, forward: as convolution_forward.cl.
 * Defines: those of prelude.h, activations.h, winograd.h; FROM_MAPS FROM_HEIGHT FROM_WIDTH TO_MAPS TO_HEIGHT TO_WIDTH; BORDER_Y BORDER_X,
 *          which lie around `from`; BACK; BIASES, where they begin; forward SAVE_Z, or POOL_Y POOL_X, which divide MADE, and WINNER_BITS.
 *          Free, and of equal bits: STRIPS; RUN, whose tiles fill whole broad vectors; MAPS_TILE <= TO_MAPS and COLUMNS_TILE, the maps and
 *          broad vectors of tiles whose sums are kept in registers.
 */
#include "prelude.h"
#include "lanes.h"
#include "activations.h"
#define ROWS_TILE MAPS_TILE
#define VECTORS_TILE COLUMNS_TILE
#include "winograd.h"

#define FILTERS 4
#define ACROSS TILES(TO_MAPS, LANES)
/* What belongs to a position; a broad vector more, since caches hold few lines whose distance is a power of two. */
#define WEIGHTS ((INDEX)FROM_MAPS * ACROSS * LANES + BROAD)
#define SEEN ((INDEX)FROM_MAPS * RUN * LANES + BROAD)
#define PRODUCTS ((INDEX)TO_MAPS * RUN * LANES + BROAD)

KERNEL void filters(GLOBAL const REAL* RESTRICT theta, INDEX theta0, GLOBAL REAL* RESTRICT weights)
{
    const int first = GROUP_ID(0) * FILTERS;
    for (int n = first; n < first + FILTERS && n < FROM_MAPS * ACROSS; ++n) {
        const int j = n / ACROSS, i0 = n % ACROSS * LANES;
        REAL each[TAPS * LANES];
        NOT_UNROLLED(lane, LANES) {
            const int i = i0 + lane;
            GLOBAL const REAL* w = theta + theta0 + (BACK ? j * TO_MAPS + i : i * FROM_MAPS + j) * (INDEX)TAPS;
            NOT_UNROLLED(u, TAPS) each[u * LANES + lane] = i < TO_MAPS ? w[BACK ? TAPS - 1 - u : u] : 0;
        }
        REALV w[TAPS], p[POSITIONS];
        UNROLLED(u, TAPS) w[u] = LOADV(each, u * LANES);
        BOTH_WAYS(FILTER, p, w, SIDE, TAPS_SIDE);
        UNROLLED(k, POSITIONS) STOREV(p[k], weights, k * WEIGHTS + n * LANES);
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

/* Write the tile whose corner is (y, x): of `kept` and `to` the planes of its map. */
INLINED void finish(const REALV z[MADE * MADE], const int y, const int x, GLOBAL KEPT* kept, GLOBAL REAL* to)
{
    REALV result[MADE / POOL_Y * (MADE / POOL_X)];
#ifdef WINNER_BITS
    LANE_INT winner[MADE / POOL_Y * (MADE / POOL_X)];
#endif
    UNROLLED(r, MADE / POOL_Y) UNROLLED(c, MADE / POOL_X) {
        REALV best = z[r * POOL_Y * MADE + c * POOL_X];
#ifdef WINNER_BITS
        LANE_INT won = (LANE_INT)(0);
        UNROLLED(uy, POOL_Y) UNROLLED(ux, POOL_X)
            TAKE_LARGER(best, won, z[(r * POOL_Y + uy) * MADE + c * POOL_X + ux], uy * POOL_X + ux);
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

/* A tile's products brought back to outputs. */
INLINED void make_tile(REALV z[MADE * MADE], GLOBAL const REAL* products)
{
    REALV p[POSITIONS];
    UNROLLED(k, POSITIONS) p[k] = LOADV(products, k * PRODUCTS);
    BOTH_WAYS(MAKE, z, p, MADE, SIDE);
}

#if BACK
#define ADD_BIAS(z, i)
#else
#define ADD_BIAS(z, i) UNROLLED(n, MADE * MADE) z[n] += (REALV)(theta[theta0 + BIASES + (i)])
#endif
/* Tiles are counted row by row. */
#define TILE_Y(tile) ((tile) / TILES_OF_ROW * MADE)
#define TILE_X(tile) ((tile) % TILES_OF_ROW * MADE)

ONE_ITEM_A_BLOCK KERNEL void correlate(GLOBAL const REAL* RESTRICT from, GLOBAL const REAL* RESTRICT weights,
                                       GLOBAL const REAL* RESTRICT theta, INDEX theta0, GLOBAL REAL* RESTRICT seen,
                                       GLOBAL KEPT* RESTRICT kept, GLOBAL REAL* RESTRICT to)
{
    const int strip = GROUP_ID(0), block = GROUP_ID(1), tiles = TILES(ROWS, MADE) * TILES_OF_ROW;
    const int last = (int)((INDEX)tiles * (strip + 1) / STRIPS);
    const INDEX plane = (INDEX)(ROWS / POOL_Y) * (COLUMNS / POOL_X) * LANES;
    from += (INDEX)block * FROM_MAPS * FROM_HEIGHT * FROM_WIDTH * LANES;
    kept += block * TO_MAPS * plane;
    to += block * TO_MAPS * plane;
    seen += ((INDEX)block * STRIPS + strip) * POSITIONS * (SEEN + PRODUCTS);
    GLOBAL REAL* products = seen + POSITIONS * SEEN;

    for (int tile0 = (int)((INDEX)tiles * strip / STRIPS); tile0 < last; tile0 += RUN) {
        for (int j = 0; j < FROM_MAPS; ++j) {
            NOT_UNROLLED(t, RUN) {
                const int tile = tile0 + t < last ? tile0 + t : last - 1;
                REALV p[POSITIONS];
                see_tile(p, from + (INDEX)j * FROM_HEIGHT * FROM_WIDTH * LANES, TILE_Y(tile) - BORDER_Y, TILE_X(tile) - BORDER_X);
                UNROLLED(k, POSITIONS) STOREV(p[k], seen, k * SEEN + AT(j * RUN + t));
            }
        }
        /* Position by position: what is seen there stays in the first cache for all maps. */
        for (int k = 0; k < POSITIONS; ++k)
            multiply(products + k * PRODUCTS, weights + k * WEIGHTS, 1, ACROSS * LANES, seen + k * SEEN, TO_MAPS, RUN * LANES / BROAD, FROM_MAPS, 0);
        NOT_UNROLLED(n, TO_MAPS * RUN) {
            const int i = n / RUN, tile = tile0 + n % RUN;
            if (tile >= last) continue;
            REALV z[MADE * MADE];
            make_tile(z, products + n * LANES);
            ADD_BIAS(z, i);
            finish(z, TILE_Y(tile), TILE_X(tile), kept + i * plane, to + i * plane);
        }
    }
}
