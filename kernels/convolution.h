/* What the kernels of the convolution layer share: sizes, where the kernel of a connection is, unrolled loops, border tiles.
 *
 * Values are [block][map][z][y][x][lane]; fewer dimensions have sizes of 1. theta begins at element `theta0` of its memory, in
 * the flat order of the layer: kernels by output map i, then input map j in D_i, then taps; then the biases.
 *
 * Defines:  IN_MAPS IN_DEPTH IN_HEIGHT IN_WIDTH   OUT_MAPS OUT_DEPTH OUT_HEIGHT OUT_WIDTH
 *           TAPS_Z TAPS_Y TAPS_X   STRIDE_Z STRIDE_Y STRIDE_X   PAD_Z PAD_Y PAD_X
 *           BIASES           where the biases begin in theta, which is the number of weights
 *           SHARED_KERNELS   1 where one kernel a map serves all its inputs, w_ij = w_i
 *           KERNEL_OFFSETS   for a table: the OUT_MAPS * IN_MAPS positions of the w_ij in theta, -1 for none; absent where full
 */
#define TAPS (TAPS_Z * TAPS_Y * TAPS_X)
#define PARAMETERS (BIASES + OUT_MAPS)

#if defined(KERNEL_OFFSETS)
CONSTANT int kernel_offsets[OUT_MAPS * IN_MAPS] = {KERNEL_OFFSETS};
#define KERNEL_AT(i, j) kernel_offsets[(i) * IN_MAPS + (j)]
#elif SHARED_KERNELS
#define KERNEL_AT(i, j) ((i) * TAPS)
#else
#define KERNEL_AT(i, j) (((i) * IN_MAPS + (j)) * TAPS)
#endif
#ifdef KERNEL_OFFSETS
#define CONNECTED(kernel) ((kernel) >= 0)
#else
#define CONNECTED(kernel) 1
#endif

#define INSIDE(x, size) ((x) >= 0 && (x) < (size))
#define TILES(size, tile) (((size) + (tile) - 1) / (tile))
/* The last tile is moved back so that it is full; what it shares with the one before is not written twice. */
#define TILE_BACK(own, tile, size) ((own) < (size) - (tile) ? (own) : (size) - (tile))

#define UNROLLED(i, n) _Pragma("unroll") for (int i = 0; i < (n); ++i)

/* Where a work-item takes a whole block it is a group by itself, which compilers should know. */
#if defined(__OPENCL_VERSION__) && V == LANES
#define ONE_ITEM_A_LANE __attribute__((reqd_work_group_size(1, 1, 1)))
#else
#define ONE_ITEM_A_LANE
#endif

/* A tile of columns that reaches over a border is compiled for itself, so that taps outside are no work. That pays for a
 * few; where there are more, they ask at run time. What follows needs COLUMNS, the columns that are computed, in tiles of
 * COLUMNS_TILE, and FIRST_INNER and LAST_INNER: tiles that begin in between reach over no border. */
#define MOST_BORDER_TILES 4
#define COLUMN_TILES TILES(COLUMNS, COLUMNS_TILE)
#define COLUMN_START(number) TILE_BACK((number) * COLUMNS_TILE, COLUMNS_TILE, COLUMNS)
#define LEFT_TILES (COLUMNS - COLUMNS_TILE < FIRST_INNER ? COLUMN_TILES : TILES(FIRST_INNER, COLUMNS_TILE))
#define RIGHT_OR_NONE (COLUMNS - COLUMNS_TILE <= LAST_INNER ? 0 : COLUMN_TILES - (LAST_INNER + COLUMNS_TILE) / COLUMNS_TILE)
#define RIGHT_TILES (RIGHT_OR_NONE < COLUMN_TILES - LEFT_TILES ? RIGHT_OR_NONE : COLUMN_TILES - LEFT_TILES)
#define BORDER_TILES (LEFT_TILES + RIGHT_TILES)
#define BORDER_TILE(number) ((number) < LEFT_TILES ? (number) : (number) + COLUMN_TILES - BORDER_TILES)
#define REACHES_BORDER(tile) ((tile) < LEFT_TILES || (tile) >= COLUMN_TILES - RIGHT_TILES)

/* FUNCTION(.., first column of the tile, whether it reaches no border), for the tile of that number. */
#define ON_COLUMN_TILE(tile, FUNCTION, ...)                                                                       \
    if (!REACHES_BORDER(tile)) FUNCTION(__VA_ARGS__, COLUMN_START(tile), 1);                                      \
    else if (BORDER_TILES > MOST_BORDER_TILES) FUNCTION(__VA_ARGS__, COLUMN_START(tile), 0);                      \
    else UNROLLED(border, BORDER_TILES <= MOST_BORDER_TILES ? BORDER_TILES : 0)                                   \
        if ((tile) == BORDER_TILE(border)) FUNCTION(__VA_ARGS__, COLUMN_START(BORDER_TILE(border)), 0)
