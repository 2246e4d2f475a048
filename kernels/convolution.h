/* What the kernels of the convolution layer share: its sizes, where a connection's kernel is, which taps meet a cell, border tiles.
 *
 * Values are [block][map][z][y][x][lane]; fewer dimensions have sizes of 1. The layer's parameters begin at element theta0 of
 * theta, in the layer's flat order: kernels by output map i, then input map j in D_i, then taps; then the biases.
 *
 * Defines:  IN_MAPS IN_DEPTH IN_HEIGHT IN_WIDTH   OUT_MAPS OUT_DEPTH OUT_HEIGHT OUT_WIDTH
 *           TAPS_Z TAPS_Y TAPS_X   STRIDE_Z STRIDE_Y STRIDE_X   PAD_Z PAD_Y PAD_X
 *           BIASES           where the biases begin, which is the number of weights
 *           SHARED_KERNELS   1 where one kernel a map serves all its inputs, w_ij = w_i; else 0
 *           KERNEL_OFFSETS   for a table, the OUT_MAPS * IN_MAPS positions of the w_ij, -1 for none; not defined where full
 *           KERNEL_LIST      1 for a table that is too long for constants: the positions are then the last argument of kernels, OFFSETS
 *                            in their parameters, and of functions that need them, THE_OFFSETS where these are called
 */
#define TAPS (TAPS_Z * TAPS_Y * TAPS_X)
#define PARAMETERS (BIASES + OUT_MAPS)

#if defined(KERNEL_OFFSETS)
CONSTANT int kernel_offsets[OUT_MAPS * IN_MAPS] = {KERNEL_OFFSETS};
#endif
#if KERNEL_LIST
#define OFFSETS , GLOBAL const int* RESTRICT kernel_offsets
#define THE_OFFSETS , kernel_offsets
#else
#define OFFSETS
#define THE_OFFSETS
#endif

#if defined(KERNEL_OFFSETS) || KERNEL_LIST
#define KERNEL_AT(i, j) kernel_offsets[(i) * IN_MAPS + (j)]
#define CONNECTED(kernel_at) ((kernel_at) >= 0)
#elif SHARED_KERNELS
#define KERNEL_AT(i, j) ((i) * TAPS)
#define CONNECTED(kernel_at) 1
#else
#define KERNEL_AT(i, j) (((i) * IN_MAPS + (j)) * TAPS)
#define CONNECTED(kernel_at) 1
#endif

#define INSIDE(x, size) ((x) >= 0 && (x) < (size))
/* Whether any window reaches over the border of its input. */
#define LEAVES(in, out, taps, stride, pad) ((pad) > 0 || ((out) - 1) * (stride) + (taps) > (in))
#define LEAVES_Z LEAVES(IN_DEPTH, OUT_DEPTH, TAPS_Z, STRIDE_Z, PAD_Z)
#define LEAVES_Y LEAVES(IN_HEIGHT, OUT_HEIGHT, TAPS_Y, STRIDE_Y, PAD_Y)
#define LEAVES_X LEAVES(IN_WIDTH, OUT_WIDTH, TAPS_X, STRIDE_X, PAD_X)

/* Cell x, counted from where the padding begins, meets outputs at the taps FIRST_TAP, FIRST_TAP + stride, .. < END_TAP. */
#define TAP_OF_LAST(x, outputs, stride) ((x) - ((outputs) - 1) * (stride))
#define LEAST_TAP(x, outputs, stride) (TAP_OF_LAST(x, outputs, stride) < 0 ? 0 : TAP_OF_LAST(x, outputs, stride))
#define FIRST_TAP(x, outputs, stride) \
    (LEAST_TAP(x, outputs, stride) + ((x) - LEAST_TAP(x, outputs, stride)) % (stride))
#define END_TAP(x, taps) ((x) < (taps) ? (x) + 1 : (taps))

/* Columns that are abreast in a broad vector (abreast.h), where it is wider than a block. */
#if BROAD > LANES && STRIDE_X == 1 && !LEAVES_X && !LEAVES_Y
#define MOST_ABREAST (BROAD / LANES)
#else
#define MOST_ABREAST 1
#endif

/* Tiles of columns that reach over a border, or are cut by it, are compiled for themselves, so that what is outside is no
 * work. That pays for a few; where there are more, they ask at run time. What follows needs COLUMNS, the columns that are
 * computed, in tiles of COLUMNS_TILE; FIRST_INNER and LAST_INNER: tiles that begin between these columns read nothing outside. */
#define MOST_BORDER_TILES 4
#define COLUMN_TILES TILES(COLUMNS, COLUMNS_TILE)
#define LAST_WHOLE (LAST_INNER < COLUMNS - COLUMNS_TILE ? LAST_INNER : COLUMNS - COLUMNS_TILE)
#define LEFT_TILES (TILES(FIRST_INNER, COLUMNS_TILE) < COLUMN_TILES ? TILES(FIRST_INNER, COLUMNS_TILE) : COLUMN_TILES)
#define INNER_END (LAST_WHOLE < 0 ? 0 : LAST_WHOLE / COLUMNS_TILE + 1)
#define RIGHT_TILES (COLUMN_TILES - (INNER_END < LEFT_TILES ? LEFT_TILES : INNER_END))
#define BORDER_TILES (LEFT_TILES + RIGHT_TILES)
#define BORDER_TILE(number) ((number) < LEFT_TILES ? (number) : (number) + COLUMN_TILES - BORDER_TILES)
#define REACHES_BORDER(tile) ((tile) < LEFT_TILES || (tile) >= COLUMN_TILES - RIGHT_TILES)

/* FUNCTION(.., first column of the tile, whether it is an inner one), for the tile of that number. */
#define ON_COLUMN_TILE(tile, FUNCTION, ...)                                                         \
    if (!REACHES_BORDER(tile)) FUNCTION(__VA_ARGS__, (tile) * COLUMNS_TILE, 1);                     \
    else if (BORDER_TILES > MOST_BORDER_TILES) FUNCTION(__VA_ARGS__, (tile) * COLUMNS_TILE, 0);     \
    else UNROLLED(border, BORDER_TILES <= MOST_BORDER_TILES ? BORDER_TILES : 0)                     \
        if ((tile) == BORDER_TILE(border)) FUNCTION(__VA_ARGS__, BORDER_TILE(border) * COLUMNS_TILE, 0)
