/* Convolution for one image a group: forward (Hedberg 2015, Eqs. 60-62) or back to its input (Eqs. 70-75, gathered; delmas, Eq. 45),
 * with shared memory as section 10.1.2 has it, and without.
 *
 *   BACK 0   to[sample][i][x] = phi(z),  z = b_i + sum over j in D_i, u of from[sample][j][k x + u - p] w_ij[u]
 *   BACK 1   to[sample][j][x] = sum over i in C_j and the taps u for which (x + p - u) / k is an output o, of from[sample][i][o] w_ij[u]
 *
 * tiled     a group of TILE_X x TILE_Y items computes as many outputs of one map. Image by image, it loads what it sees of it into
 *           shared memory, with 0 for what is outside. Items beyond the border of `to` load and write nothing there.
 *           Grid: (samples * maps * TO_DEPTH * tiles of rows * tiles of columns, 1), columns fastest. Group: (TILE_X, TILE_Y).
 *           Memory: SPAN_Y * SPAN_X of REAL shared.
 * untiled   an item computes WORK outputs that follow one another. Grid: at least samples * maps * outputs of a map / WORK items, in
 *           groups of any size. Memory: none shared.
 *
 * A launch takes the kernels that begin at `begin` to `end` - 1 of the layer's parameters, and `maps` maps of `to` from first_map on,
 * which read none but the images first_source to end_source - 1. With SPLIT_KERNELS 0 that is everything; else such launches
 * follow one another in the order of their kernels: what is not complete is left in `kept`, and the next one adds to it, in the same
 * order as a single launch does. filters[filter0 + k] is weight k, in memory for constants where CONSTANT_FILTERS is 1.
 * Writes phi(z) to `to`, and z to `kept` where SAVE_Z is 1; with SAVE_Z 0 both are the same memory.
 * Defines: those of prelude.h, activations.h, convolution.h, with V = LANES = 1; BACK SAVE_Z SPLIT_KERNELS. Free, and of equal bits: TILE_X
 *          TILE_Y, WORK, UNROLL (1: taps are unrolled), CONSTANT_FILTERS, HINT (of the prelude).
 */
#include "prelude.h"
#include "activations.h"
#include "convolution.h"

#if LANES != 1
#error "a block is one sample: its maps are planes"
#endif

/* Cell x of `to` meets cell MET of `from` at tap u, if it does; what a tile from x0 on meets begins at FIRST_MET. */
#if BACK
#define FROM(size) PASTE(OUT_, size)
#define TO(size) PASTE(IN_, size)
#define KERNEL_OF(to, from) KERNEL_AT(from, to)
#define MEETS(x, u, stride, pad) (((x) + (pad) - (u)) % (stride) == 0)
#define MET(x, u, stride, pad) (((x) + (pad) - (u)) / (stride))
#define FIRST_MET(x0, taps, stride, pad) (((x0) + (pad) - (taps) + (taps) * (stride) + (stride)) / (stride) - (taps))
#define SPAN(tile, taps, stride) (((tile) + (taps) - 2) / (stride) + 1)
#else
#define FROM(size) PASTE(IN_, size)
#define TO(size) PASTE(OUT_, size)
#define KERNEL_OF(to, from) KERNEL_AT(to, from)
#define MEETS(x, u, stride, pad) 1
#define MET(x, u, stride, pad) ((x) * (stride) + (u) - (pad))
#define FIRST_MET(x0, taps, stride, pad) ((x0) * (stride) - (pad))
#define SPAN(tile, taps, stride) (((tile) - 1) * (stride) + (taps))
#endif
#define FROM_SIZE (FROM(DEPTH) * FROM(HEIGHT) * FROM(WIDTH))
#define TO_SIZE (TO(DEPTH) * TO(HEIGHT) * TO(WIDTH))

#if UNROLL
#define ALL_TAPS(u, taps) UNROLLED(u, taps)
#else
#define ALL_TAPS(u, taps) NOT_UNROLLED(u, taps)
#endif
#if CONSTANT_FILTERS
#define FILTERS CONSTANT_ARG
#else
#define FILTERS GLOBAL
#endif
/* Whether there is a kernel, and this launch takes it. */
#define TAKEN(kernel_at) (CONNECTED(kernel_at) && (!SPLIT_KERNELS || INSIDE((kernel_at) - begin, end - begin)))

/* How far a map has come: whether launches before, this one and launches after it take kernels of it. */
typedef struct {
    int earlier, now, later;
} PROGRESS;

DEVICE PROGRESS progress_of(const int map, const int begin, const int end OFFSETS)
{
    PROGRESS progress = {0, 1, 0};
#if SPLIT_KERNELS
    progress.now = 0;
    for (int source = 0; source < FROM(MAPS); ++source) {
        const int kernel_at = KERNEL_OF(map, source);
        if (!CONNECTED(kernel_at)) continue;
        if (kernel_at < begin) progress.earlier = 1;
        else if (kernel_at < end) progress.now = 1;
        else progress.later = 1;
    }
    /* A map without kernels is complete from the start. */
    if (!progress.earlier && !progress.later) progress.now = 1;
#endif
    return progress;
}

DEVICE REAL sum_so_far(const PROGRESS progress, GLOBAL const REAL* kept, const INDEX at, GLOBAL const REAL* biases, const int map)
{
    if (progress.earlier) return kept[at];
#if BACK
    return 0;
#else
    return biases[map];
#endif
}

DEVICE void leave(const REAL sum, const PROGRESS progress, GLOBAL REAL* kept, GLOBAL REAL* to, const INDEX at)
{
    if (!progress.now) return;
    if (SAVE_Z || progress.later) kept[at] = sum;
    if (!progress.later) to[at] = PHI(sum);
}

#ifdef TILE_Y
#define SPAN_Y SPAN(TILE_Y, TAPS_Y, STRIDE_Y)
#define SPAN_X SPAN(TILE_X, TAPS_X, STRIDE_X)

KERNEL void tiled(GLOBAL const REAL* RESTRICT from, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                  FILTERS const REAL* RESTRICT filters, INDEX filter0, int begin, int end, int first_map, int maps, int first_source,
                  int end_source, int samples, GLOBAL REAL* kept, GLOBAL REAL* to OFFSETS)
{
    SHARED REAL span[SPAN_Y * SPAN_X];
    int group = GROUP_ID(0);
    const int x0 = group % TILES(TO(WIDTH), TILE_X) * TILE_X, x = x0 + LOCAL_ID(0);
    group /= TILES(TO(WIDTH), TILE_X);
    const int y0 = group % TILES(TO(HEIGHT), TILE_Y) * TILE_Y, y = y0 + LOCAL_ID(1);
    group /= TILES(TO(HEIGHT), TILE_Y);
    const int z = group % TO(DEPTH);
    group /= TO(DEPTH);
    const int map = first_map + group % maps, sample = group / maps, inside = x < TO(WIDTH) && y < TO(HEIGHT);
    const int from_x = FIRST_MET(x0, TAPS_X, STRIDE_X, PAD_X), from_y = FIRST_MET(y0, TAPS_Y, STRIDE_Y, PAD_Y);
    const INDEX at = ((((INDEX)sample * TO(MAPS) + map) * TO(DEPTH) + z) * TO(HEIGHT) + y) * TO(WIDTH) + x;

    const PROGRESS progress = progress_of(map, begin, end THE_OFFSETS);
    REAL sum = inside ? sum_so_far(progress, kept, at, theta + theta0 + BIASES, map) : 0;
    for (int source = first_source; source < end_source; ++source) {
        const int kernel_at = KERNEL_OF(map, source);
        for (int uz = 0; uz < TAPS_Z; ++uz) {
            const int from_z = MET(z, uz, STRIDE_Z, PAD_Z);
            /* The same for all of the group, but no branch around the barriers: PoCL compiles those for minutes. */
            const int used = TAKEN(kernel_at) && MEETS(z, uz, STRIDE_Z, PAD_Z) && INSIDE(from_z, FROM(DEPTH));
            GLOBAL const REAL* plane =
                from + (((INDEX)sample * FROM(MAPS) + source) * FROM(DEPTH) + from_z) * FROM(HEIGHT) * FROM(WIDTH);
            BARRIER();
            for (int n = LOCAL_ID(1) * TILE_X + LOCAL_ID(0); used && n < SPAN_Y * SPAN_X; n += TILE_Y * TILE_X) {
                const int row = from_y + n / SPAN_X, column = from_x + n % SPAN_X;
                span[n] = INSIDE(row, FROM(HEIGHT)) && INSIDE(column, FROM(WIDTH)) ? plane[(INDEX)row * FROM(WIDTH) + column] : 0;
            }
            BARRIER();
            if (used) {
                FILTERS const REAL* w = filters + (filter0 + kernel_at + uz * TAPS_Y * TAPS_X);
                ALL_TAPS(uy, TAPS_Y) if (MEETS(y, uy, STRIDE_Y, PAD_Y)) {
                    const int row = MET(y, uy, STRIDE_Y, PAD_Y) - from_y;
                    ALL_TAPS(ux, TAPS_X) if (MEETS(x, ux, STRIDE_X, PAD_X))
                        sum = FMA(w[uy * TAPS_X + ux], span[row * SPAN_X + MET(x, ux, STRIDE_X, PAD_X) - from_x], sum);
                }
            }
        }
    }
    if (inside) leave(sum, progress, kept, to, at);
}
#endif

#ifdef WORK
HINTED KERNEL void untiled(GLOBAL const REAL* RESTRICT from, GLOBAL const REAL* RESTRICT theta, INDEX theta0,
                           FILTERS const REAL* RESTRICT filters, INDEX filter0, int begin, int end, int first_map, int maps,
                           int first_source, int end_source, int samples, GLOBAL REAL* kept, GLOBAL REAL* to OFFSETS)
{
    const INDEX count = (INDEX)samples * maps * TO_SIZE, first = (INDEX)GLOBAL_ID(0) * WORK;
    for (INDEX n = first; n < first + WORK && n < count; ++n) {
        const int x = (int)(n % TO(WIDTH)), y = (int)(n / TO(WIDTH) % TO(HEIGHT)), z = (int)(n / (TO(WIDTH) * TO(HEIGHT)) % TO(DEPTH));
        const int map = first_map + (int)(n / TO_SIZE % maps), sample = (int)(n / TO_SIZE / maps);
        const INDEX at = ((INDEX)sample * TO(MAPS) + map) * TO_SIZE + n % TO_SIZE;

        const PROGRESS progress = progress_of(map, begin, end THE_OFFSETS);
        REAL sum = sum_so_far(progress, kept, at, theta + theta0 + BIASES, map);
        for (int source = first_source; source < end_source; ++source) {
            const int kernel_at = KERNEL_OF(map, source);
            if (!TAKEN(kernel_at)) continue;
            FILTERS const REAL* w = filters + (filter0 + kernel_at);
            GLOBAL const REAL* image = from + ((INDEX)sample * FROM(MAPS) + source) * FROM_SIZE;
            for (int uz = 0; uz < TAPS_Z; ++uz) {
                const int from_z = MET(z, uz, STRIDE_Z, PAD_Z);
                if (!MEETS(z, uz, STRIDE_Z, PAD_Z) || !INSIDE(from_z, FROM(DEPTH))) continue;
                ALL_TAPS(uy, TAPS_Y) {
                    const int row = MET(y, uy, STRIDE_Y, PAD_Y);
                    GLOBAL const REAL* line = image + ((INDEX)from_z * FROM(HEIGHT) + row) * FROM(WIDTH);
                    if (MEETS(y, uy, STRIDE_Y, PAD_Y) && INSIDE(row, FROM(HEIGHT))) ALL_TAPS(ux, TAPS_X) {
                        const int column = MET(x, ux, STRIDE_X, PAD_X);
                        if (MEETS(x, ux, STRIDE_X, PAD_X) && INSIDE(column, FROM(WIDTH)))
                            sum = FMA(w[(uz * TAPS_Y + uy) * TAPS_X + ux], line[column], sum);
                    }
                }
            }
        }
        leave(sum, progress, kept, to, at);
    }
}
#endif

/* filters[k] := theta[first + k] for k < count: what a launch finds in memory for constants. Grid: any number of items. */
KERNEL void take_filters(GLOBAL const REAL* RESTRICT theta, INDEX first, int count, GLOBAL REAL* RESTRICT filters)
{
    for (int k = GLOBAL_ID(0); k < count; k += GLOBAL_SIZE(0)) filters[k] = theta[first + k];
}
