/* Windows side by side over maps, WINDOW cells wide and moved by as much: what pooling and both sub-samplings share.
 *
 * Values are [block][map][z][y][x][lane]; fewer dimensions have sizes of 1. Output cell x belongs to the input cells
 * WINDOW x + u, u < WINDOW. Where a size is no multiple of its window, one more window is cut off by the border: together they
 * cover the map, so that an item that writes all cells of its windows leaves none out and shares none.
 * Work: an item takes ROWS_TILE rows, a row being all windows of a map with the same z and y. Input rows count the windows
 * that are cut off, output rows the output cells alone. ROWS_TILE is free: any from 1 on gives equal bits.
 *
 *   MAP_OF(row, depth, height) Z_OF(row, depth, height) Y_OF(row, height)   where a row is
 *   EACH_ROW(row, rows)          over this item's rows of so many; the last item is guarded
 *   EACH_CELL(uz, uy, ux)        over the cells of a window, in row-major order; CELL(uz, uy, ux) is their number in it
 *   IN_MAP(z, y, x)              whether an input cell is there: those of a cut window may not be
 *   HAS_OUTPUT(z, y, x)          whether a window has an output cell
 *   IN_AT, OUT_AT(block, map, z, y, x)   where the lanes of a cell begin
 *
 * Defines: IN_MAPS IN_DEPTH IN_HEIGHT IN_WIDTH, OUT_MAPS OUT_DEPTH OUT_HEIGHT OUT_WIDTH, WINDOW_Z WINDOW_Y WINDOW_X;
 * ROWS_TILE.
 */
#define WINDOWS_OF(size, window) (((size) + (window) - 1) / (window))
#define WINDOWS_Z WINDOWS_OF(IN_DEPTH, WINDOW_Z)
#define WINDOWS_Y WINDOWS_OF(IN_HEIGHT, WINDOW_Y)
#define WINDOWS_X WINDOWS_OF(IN_WIDTH, WINDOW_X)
#define IN_ROWS (IN_MAPS * WINDOWS_Z * WINDOWS_Y)
#define OUT_ROWS (OUT_MAPS * OUT_DEPTH * OUT_HEIGHT)
#define OUT_POINTS (OUT_DEPTH * OUT_HEIGHT * OUT_WIDTH)

#define MAP_OF(row, depth, height) ((row) / ((depth) * (height)))
#define Z_OF(row, depth, height) ((row) / (height) % (depth))
#define Y_OF(row, height) ((row) % (height))
#define FIRST_ROW (GROUP_ID(0) * ROWS_TILE)
#define EACH_ROW(row, rows) for (int row = FIRST_ROW; row < FIRST_ROW + ROWS_TILE && row < (rows); ++row)

#define EACH_CELL(uz, uy, ux)                                                                                     \
    for (int uz = 0; uz < WINDOW_Z; ++uz)                                                                         \
        for (int uy = 0; uy < WINDOW_Y; ++uy)                                                                     \
            for (int ux = 0; ux < WINDOW_X; ++ux)
#define CELL(uz, uy, ux) (((uz) * WINDOW_Y + (uy)) * WINDOW_X + (ux))

/* Constant, hence no work, where windows fill the map. */
#define FILLS(size, window) ((size) % (window) == 0)
#define IN_MAP(z, y, x)                                                                                           \
    ((FILLS(IN_DEPTH, WINDOW_Z) || (z) < IN_DEPTH) && (FILLS(IN_HEIGHT, WINDOW_Y) || (y) < IN_HEIGHT)             \
     && (FILLS(IN_WIDTH, WINDOW_X) || (x) < IN_WIDTH))
#define HAS_OUTPUT(z, y, x) ((z) < OUT_DEPTH && (y) < OUT_HEIGHT && (x) < OUT_WIDTH)

#define IN_AT(block, map, z, y, x)                                                                                \
    AT(((((INDEX)(block) * IN_MAPS + (map)) * IN_DEPTH + (z)) * IN_HEIGHT + (y)) * IN_WIDTH + (x))
#define OUT_AT(block, map, z, y, x)                                                                               \
    AT(((((INDEX)(block) * OUT_MAPS + (map)) * OUT_DEPTH + (z)) * OUT_HEIGHT + (y)) * OUT_WIDTH + (x))
