/* Convolution, gradient by its parameters (Hedberg 2015, Eqs. 76-81; one shared kernel a map: Eq. 80 summed over D_i).
 *
 *   dw_ij[u] = sum over samples and outputs x of delta_i(x) y_in_j(k x + u - p)      db_i = sum over samples and x of delta_i(x)
 *
 * SUM_SAMPLES 1: the rows of outputs of all samples are dealt to SPLIT parts, and part s writes its PARAMETERS sums, in the layer's
 * flat order, at rows[first + s * width]; add_parts then adds them in order. SUM_SAMPLES 0: sample s < samples writes PARAMETERS
 * sums of its own at rows[first + s * width]. Lanes without a sample must hold a delta of 0 and finite inputs.
 * Equal calls give equal bits, and so do V = LANES and V = 1 unless columns are abreast (abreast.h), whose sums are added first: lanes stay
 * apart until their sum, which is always the same tree.
 *
 * Work: an item computes, of MAPS_TILE x INPUTS_TILE kernels, ROWS_TILE x TAPS_TILE taps of one plane of taps, with BIASES_TOO the biases
 * of these maps as well; else their last item does. It takes COLUMNS_TILE columns, or vectors of columns that are abreast, at a time, which share what they read.
 * Grid: (parts * MAP_TILES * (INPUT_TILES * TAPS_Z * ROW_TILES * TAP_TILES + 1 - BIASES_TOO)), maps slowest, so that their delta stays in the
 * first cache. Parts are SPLIT, or blocks with SUM_SAMPLES 0; INPUT_TILES is 1 with SHARED_KERNELS, whose inputs are summed over. The last
 * tiles are moved back.
 * Group: LANES / V items.   Memory: shared only where V < LANES, LANES + 1 of WIDE for each sum of the tile.
 * Defines: those of prelude.h, convolution.h, slopes.h; SUM_SAMPLES; SPLIT, on which bits depend; RUN; BIASES_TOO, 0, or 1 where that is all of a
 *          map's kernels, in one plane, without a table. Free, and of equal weights: MAPS_TILE <= OUT_MAPS, INPUTS_TILE <= IN_MAPS, ROWS_TILE <= TAPS_Y,
 *          TAPS_TILE <= TAPS_X, COLUMNS_TILE. With SHARED_KERNELS INPUTS_TILE is 1, and MAPS_TILE too if there is a table.
 */
#include "prelude.h"
#include "lanes.h"
#include "convolution.h"
#include "slopes.h"

#if OUT_WIDTH >= MOST_ABREAST
#define ABREAST MOST_ABREAST
#else
#define ABREAST 1
#endif
#include "abreast.h"

#if SHARED_KERNELS
#if INPUTS_TILE > 1 || ((defined(KERNEL_OFFSETS) || KERNEL_LIST) && MAPS_TILE > 1)
#error "maps that share a kernel among other inputs are not computed together"
#endif
#define INPUT_TILES 1
#else
#define INPUT_TILES TILES(IN_MAPS, INPUTS_TILE)
#endif
#define MAP_TILES TILES(OUT_MAPS, MAPS_TILE)
#define ROW_TILES TILES(TAPS_Y, ROWS_TILE)
#define TAP_TILES TILES(TAPS_X, TAPS_TILE)
#define KERNEL_TILES (INPUT_TILES * TAPS_Z * ROW_TILES * TAP_TILES)

#define IN_SIZE (IN_DEPTH * IN_HEIGHT * IN_WIDTH)
#define OUT_SIZE (OUT_DEPTH * OUT_HEIGHT * OUT_WIDTH)
#define WEIGHTS_TILE (INPUTS_TILE * ROWS_TILE * TAPS_TILE)
#if BIASES_TOO && (KERNEL_TILES > 1 || SHARED_KERNELS || IN_DEPTH > 1 || LEAVES_Z || defined(KERNEL_OFFSETS) || KERNEL_LIST)
#error "an item that adds up biases must see every delta of its maps once"
#endif
#define ITEMS_A_MAP (KERNEL_TILES + !BIASES_TOO)
#define SUMS_A_MAP (WEIGHTS_TILE + BIASES_TOO)
#define SUMS (MAPS_TILE * SUMS_A_MAP)

/* Which sums a work-item computes: its first map, input map, plane, row and tap, and where those that are its own begin. */
typedef struct {
    int i, j, uz, uy, ux, own_i, own_j, own_uy, own_ux;
    int is_bias;
} TILE;

DEVICE TILE find_tile(int item)
{
    TILE tile;
    tile.own_i = item / ITEMS_A_MAP * MAPS_TILE;
    item %= ITEMS_A_MAP;
    tile.is_bias = item == KERNEL_TILES;
    tile.own_ux = item % TAP_TILES * TAPS_TILE;
    item /= TAP_TILES;
    tile.own_uy = item % ROW_TILES * ROWS_TILE;
    item /= ROW_TILES;
    tile.uz = item % TAPS_Z;
    tile.own_j = item / TAPS_Z * INPUTS_TILE;
    tile.i = TILE_BACK(tile.own_i, MAPS_TILE, OUT_MAPS);
    tile.j = TILE_BACK(tile.own_j, INPUTS_TILE, IN_MAPS);
    tile.uy = TILE_BACK(tile.own_uy, ROWS_TILE, TAPS_Y);
    tile.ux = TILE_BACK(tile.own_ux, TAPS_TILE, TAPS_X);
    return tile;
}

/* Where sum number k of map m belongs among the layer's parameters; -1 where another tile writes it, or there is none. */
DEVICE int parameter_of(const TILE tile, const int m, const int k OFFSETS)
{
    const int i = tile.i + m;
    if (i < tile.own_i) return -1;
    if (tile.is_bias) return k == 0 ? BIASES + i : -1;
    if (k == WEIGHTS_TILE) return BIASES + i;
    const int n = k / (ROWS_TILE * TAPS_TILE), uy = tile.uy + k / TAPS_TILE % ROWS_TILE, ux = tile.ux + k % TAPS_TILE;
    if (tile.j + n < tile.own_j || uy < tile.own_uy || ux < tile.own_ux) return -1;
    int kernel_at = KERNEL_AT(i, tile.j + n);
    if (SHARED_KERNELS)
        for (int j = 1; j < IN_MAPS; ++j) kernel_at = CONNECTED(kernel_at) ? kernel_at : KERNEL_AT(i, j);
    return CONNECTED(kernel_at) ? kernel_at + (tile.uz * TAPS_Y + uy) * TAPS_X + ux : -1;
}

/* Which maps of a tile read any of its inputs, from input j on: a bit a map. */
#if defined(KERNEL_OFFSETS) || KERNEL_LIST
DEVICE int maps_in_use(const int i, const int j OFFSETS)
{
    int used = 0;
    UNROLLED(m, MAPS_TILE) UNROLLED(n, INPUTS_TILE) used |= CONNECTED(KERNEL_AT(i + m, j + n)) << m;
    return used;
}
#define IN_USE_AT(m, used) ((used) & 1 << (m))
#else
#define maps_in_use(...) 0
#define IN_USE_AT(m, used) 1
#endif
/* From a vector of columns to the next in the input, and what a tile sees. */
#define STEP (ABREAST * STRIDE_X)
#define MOST_SEEN ((COLUMNS_TILE - 1) * STEP + TAPS_TILE)

/* Add to the sums what so many vectors of columns of a row of outputs give, from ox on, of which the first `known` columns were added before;
 * `in` and `delta` are where the tile's first row, `iy`, begins. */
INLINED void add_columns(REALX sum[MAPS_TILE][SUMS_A_MAP], GLOBAL const REAL* in, GLOBAL const REAL* delta, const int ux0,
                         const int iy, const int ox, const int vectors, const int known, const int inner, const int used)
{
    const int ix0 = ox * STRIDE_X + ux0 - PAD_X;
    REALX seen[INPUTS_TILE * ROWS_TILE][MOST_SEEN];
    UNROLLED(line, INPUTS_TILE * ROWS_TILE) UNROLLED(x, (vectors - 1) * STEP + TAPS_TILE) {
        const int n = line / ROWS_TILE, r = line % ROWS_TILE;
        seen[line][x] = (REALX)(0);
        if (inner || (INSIDE(iy + r, IN_HEIGHT) && INSIDE(ix0 + x, IN_WIDTH)))
            seen[line][x] = LOADX(in, ((INDEX)n * IN_SIZE + r * IN_WIDTH + ix0 + x) * LANES);
    }
    UNROLLED(m, MAPS_TILE) {
        if (!IN_USE_AT(m, used)) continue;
        UNROLLED(v, vectors) {
            const REALX d = FROM_COLUMN(LOADX(delta, ((INDEX)m * OUT_SIZE + ox + v * ABREAST) * LANES), known);
            UNROLLED(k, WEIGHTS_TILE)
                sum[m][k] = FMA(d, seen[k / TAPS_TILE][v * STEP + k % TAPS_TILE], sum[m][k]);
            if (BIASES_TOO) sum[m][SUMS_A_MAP - 1] += d;
        }
    }
}

/* The columns from `ox` to `end` - 1, which read nothing outside. */
INLINED void add_inner(REALX sum[MAPS_TILE][SUMS_A_MAP], GLOBAL const REAL* in, GLOBAL const REAL* delta, const int ux0,
                       const int iy, int ox, const int end, const int used)
{
    for (; ox + COLUMNS_TILE * ABREAST <= end; ox += COLUMNS_TILE * ABREAST)
        add_columns(sum, in, delta, ux0, iy, ox, COLUMNS_TILE, 0, 1, used);
    for (; COLUMNS_TILE > 1 && ox + ABREAST <= end; ox += ABREAST) add_columns(sum, in, delta, ux0, iy, ox, 1, 0, 1, used);
    /* Columns are then abreast from 0 to OUT_WIDTH. */
    if (OUT_WIDTH % ABREAST > 0)
        add_columns(sum, in, delta, ux0, iy, OUT_WIDTH - ABREAST, 1, ABREAST - OUT_WIDTH % ABREAST, 1, used);
}

/* Rows are counted through all planes of outputs of all blocks. Of those from `row` to `end`, what lies in one plane: */
#define ROWS_OF_PLANE(row, end, y) ((end) - (row) < OUT_HEIGHT - (y) ? (int)((end) - (row)) : OUT_HEIGHT - (y))

INLINED void sum_weights(REALX sum[MAPS_TILE][SUMS_A_MAP], GLOBAL const REAL* y_in, GLOBAL const REAL* delta, const TILE tile,
                         const int j, INDEX row, const INDEX end OFFSETS)
{
    const int used = maps_in_use(tile.i, j THE_OFFSETS);
    /* Columns from first_inner to last_inner - 1 read nothing to the left or right of the input. */
    int first_inner = 0, last_inner = OUT_WIDTH;
    if (LEAVES_X) {
        const int left = PAD_X - tile.ux, right = IN_WIDTH + PAD_X - tile.ux - TAPS_TILE;
        first_inner = left > 0 ? TILES(left, STRIDE_X) : 0;
        if (first_inner > OUT_WIDTH) first_inner = OUT_WIDTH;
        last_inner = right < 0 ? 0 : right / STRIDE_X + 1;
        if (last_inner > OUT_WIDTH) last_inner = OUT_WIDTH;
        if (last_inner < first_inner) last_inner = first_inner;
    }
    while (row < end) {
        const INDEX block = row / OUT_HEIGHT / OUT_DEPTH;
        const int y = (int)(row % OUT_HEIGHT), z = (int)(row / OUT_HEIGHT % OUT_DEPTH), rows = ROWS_OF_PLANE(row, end, y);
        row += rows;
        const int iz = z * STRIDE_Z + tile.uz - PAD_Z;
        if (LEAVES_Z && !INSIDE(iz, IN_DEPTH)) continue;
        GLOBAL const REAL* x = y_in + AT(((block * IN_MAPS + j) * IN_DEPTH + iz) * IN_HEIGHT * IN_WIDTH);
        GLOBAL const REAL* d = delta + AT(((block * OUT_MAPS + tile.i) * OUT_DEPTH + z) * OUT_HEIGHT * OUT_WIDTH);
        for (int oy = y; oy < y + rows; ++oy) {
            const int iy = oy * STRIDE_Y + tile.uy - PAD_Y;
            GLOBAL const REAL* x_row = x + (INDEX)iy * IN_WIDTH * LANES;
            GLOBAL const REAL* d_row = d + (INDEX)oy * OUT_WIDTH * LANES;
            if (!(LEAVES_X || LEAVES_Y)) {
                add_inner(sum, x_row, d_row, tile.ux, iy, 0, OUT_WIDTH, used);
                continue;
            }
            const int whole = iy >= 0 && iy + ROWS_TILE <= IN_HEIGHT;
            for (int ox = 0; ox < OUT_WIDTH; ++ox) {
                if (whole && ox == first_inner && ox < last_inner) {
                    add_inner(sum, x_row, d_row, tile.ux, iy, ox, last_inner, used);
                    ox = last_inner - 1;
                } else {
                    add_columns(sum, x_row, d_row, tile.ux, iy, ox, 1, 0, 0, used);
                }
            }
        }
    }
}

/* Neighbouring vectors of columns have sums of their own, so that no addition waits for the one before. */
#define BIAS_SUMS (WEIGHTS_TILE < 4 ? WEIGHTS_TILE : 4)
INLINED void sum_biases(REALX sum[MAPS_TILE][SUMS_A_MAP], GLOBAL const REAL* delta, const TILE tile, const INDEX begin,
                        const INDEX end)
{
    for (INDEX row = begin; row < end; ++row) {
        const INDEX block = row / (OUT_DEPTH * OUT_HEIGHT);
        const INDEX first = (block * OUT_MAPS + tile.i) * OUT_SIZE + (row - block * OUT_DEPTH * OUT_HEIGHT) * OUT_WIDTH;
        for (int v = 0; v < OUT_WIDTH / ABREAST; v += BIAS_SUMS)
            UNROLLED(k, BIAS_SUMS)
            if (v + k < OUT_WIDTH / ABREAST)
                UNROLLED(m, MAPS_TILE) sum[m][k] += LOADX(delta, AT(first + (INDEX)m * OUT_SIZE + (v + k) * ABREAST));
        if (OUT_WIDTH % ABREAST > 0)
            UNROLLED(m, MAPS_TILE)
                sum[m][0] += FROM_COLUMN(LOADX(delta, AT(first + (INDEX)m * OUT_SIZE + OUT_WIDTH - ABREAST)), ABREAST - OUT_WIDTH % ABREAST);
    }
    UNROLLED(m, MAPS_TILE) UNROLLED(k, BIAS_SUMS - 1) sum[m][0] += sum[m][k + 1];
}

ONE_ITEM_A_BLOCK KERNEL void gradient(GLOBAL const REAL* RESTRICT delta, GLOBAL const REAL* RESTRICT y_in, int samples,
                                      GLOBAL REAL* RESTRICT rows, INDEX width, INDEX first, int add OFFSETS UPDATE_PARAMETERS)
{
    const int part = GROUP_ID(0) / (MAP_TILES * ITEMS_A_MAP);
    const TILE tile = find_tile(GROUP_ID(0) % (MAP_TILES * ITEMS_A_MAP));
    const INDEX count = (INDEX)OUT_DEPTH * OUT_HEIGHT * (SUM_SAMPLES ? TILES(samples, LANES) : 1);
    const INDEX begin = SUM_SAMPLES ? count * part / SPLIT : count * part;
    const INDEX end = SUM_SAMPLES ? count * (part + 1) / SPLIT : begin + count;

    REALX sum[MAPS_TILE][SUMS_A_MAP];
    UNROLLED(m, MAPS_TILE) UNROLLED(k, SUMS_A_MAP) sum[m][k] = (REALX)(0);
    if (tile.is_bias)
        sum_biases(sum, delta, tile, begin, end);
    else if (!SHARED_KERNELS)
        sum_weights(sum, y_in, delta, tile, tile.j, begin, end THE_OFFSETS);
    else
        for (int j = 0; j < IN_MAPS; ++j)
            if (CONNECTED(KERNEL_AT(tile.i, j))) sum_weights(sum, y_in, delta, tile, j, begin, end THE_OFFSETS);

    const INDEX own = first + part * width;
#if !SUM_SAMPLES || V == LANES
    REALV result[SUMS];
    UNROLLED(m, MAPS_TILE) UNROLLED(k, SUMS_A_MAP) result[m * SUMS_A_MAP + k] = ADD_COLUMNS(sum[m][k]);
    NOT_UNROLLED(s, SUMS) {
        const int at = parameter_of(tile, s / SUMS_A_MAP, s % SUMS_A_MAP THE_OFFSETS);
        if (at < 0) continue;
#if SUM_SAMPLES
        GIVE(SUMV(TO_WIDEV(result[s])), rows, own + at, add);
#else
        STORE_ROWS(result[s], rows + first, width, at, part, samples);
#endif
    }
#else
    /* Every sum is added up by one thread, so that one barrier serves them all. */
    SHARED WIDE lanes[SUMS * (LANES + 1)];
    UNROLLED(m, MAPS_TILE) UNROLLED(k, SUMS_A_MAP)
        lanes[(m * SUMS_A_MAP + k) * (LANES + 1) + LOCAL_ID(0)] = TO_WIDEV(sum[m][k]);
    BARRIER();
    for (int s = LOCAL_ID(0); s < SUMS; s += LANES) {
        const int at = parameter_of(tile, s / SUMS_A_MAP, s % SUMS_A_MAP THE_OFFSETS), begins = s * (LANES + 1);
        for (int reach = LANES / 2; reach > 0; reach /= 2)
            for (int lane = begins; lane < begins + reach; ++lane) lanes[lane] += lanes[lane + reach];
        if (at >= 0) GIVE(lanes[begins], rows, own + at, add);
    }
#endif
}

/* gradient[theta0 + k] := the sum of parts[s * PARAMETERS + k] over s < SPLIT, in order. Grid: (runs of RUN parameters). */
KERNEL void add_parts(GLOBAL const REAL* RESTRICT parts, GLOBAL REAL* RESTRICT gradient, INDEX theta0, int add
                      UPDATE_PARAMETERS)
{
    const INDEX first = (INDEX)GROUP_ID(0) * RUN;
    for (INDEX k = first + LOCAL_ID(0); k < first + RUN && k < PARAMETERS; k += LOCAL_SIZE(0)) {
        WIDE sum = parts[k];
        for (int part = 1; part < SPLIT; ++part) sum += parts[(INDEX)part * PARAMETERS + k];
        GIVE(sum, gradient, theta0 + k, add);
    }
}
