/* Between samples one after another, as the host has them, and blocks.
 *
 *   pack     packed[block][point][lane] = x[first + block LANES + lane][point]; 0 in the lanes beyond `samples`
 *   unpack   the way back, of the lanes that hold one of the `samples`
 *
 * Work: an item takes TILE points of one block; where it holds all lanes, LANES points at a time, turned over in registers.
 * Grid: (tiles of points, blocks), the last tile guarded. Group: LANES / V items on axis 0.
 * Defines: POINTS TILE, a multiple of LANES.
 */
#include "prelude.h"
#include "lanes.h"
#include "exchange.h"

#define ROW(lane) ((INDEX)(first + block * LANES + (lane)) * POINTS)
#define HOLDS(lane) (block * LANES + (lane) < samples)
#define EACH_POINT(p) (int p = GROUP_ID(0) * TILE; p < (GROUP_ID(0) + 1) * TILE && p < POINTS; ++p)
/* The points from p0 to p0 + LANES - 1; the last are moved back. */
#define EACH_EXCHANGE(p0) \
    (int p = GROUP_ID(0) * TILE, p0 = TILE_BACK(p, LANES, POINTS); p < (GROUP_ID(0) + 1) * TILE && p < POINTS; \
     p += LANES, p0 = TILE_BACK(p, LANES, POINTS))

KERNEL void pack(GLOBAL const REAL* RESTRICT x, int first, int samples, GLOBAL REAL* RESTRICT packed)
{
    const int block = GROUP_ID(1);
#if V == LANES && POINTS >= LANES
    for EACH_EXCHANGE(p0)
    {
        REALV rows[LANES], values[LANES];
        UNROLLED(n, LANES) rows[n] = HOLDS(n) ? LOADV(x, ROW(n) + p0) : (REALV)(0);
        EXCHANGE_LANES(values, rows);
        UNROLLED(n, LANES) STOREV(values[n], packed, AT((INDEX)block * POINTS + p0 + n));
    }
#else
    for EACH_POINT(p)
    {
        REAL each[V];
        for (int lane = 0; lane < V; ++lane)
            each[lane] = HOLDS(FIRST_LANE + lane) ? x[ROW(FIRST_LANE + lane) + p] : 0;
        STOREV(LOADV(each, 0), packed, AT((INDEX)block * POINTS + p));
    }
#endif
}

KERNEL void unpack(GLOBAL const REAL* RESTRICT packed, int first, int samples, GLOBAL REAL* RESTRICT x)
{
    const int block = GROUP_ID(1);
#if V == LANES && POINTS >= LANES
    for EACH_EXCHANGE(p0)
    {
        REALV rows[LANES], values[LANES];
        UNROLLED(n, LANES) values[n] = LOADV(packed, AT((INDEX)block * POINTS + p0 + n));
        EXCHANGE_LANES(rows, values);
        UNROLLED(n, LANES) if (HOLDS(n)) STOREV(rows[n], x, ROW(n) + p0);
    }
#else
    for EACH_POINT(p)
    {
        REAL each[V];
        STOREV(LOADV(packed, AT((INDEX)block * POINTS + p)), each, 0);
        for (int lane = 0; lane < V; ++lane)
            if (HOLDS(FIRST_LANE + lane)) x[ROW(FIRST_LANE + lane) + p] = each[lane];
    }
#endif
}
