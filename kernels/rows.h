/* Rows of taps by minimal algorithms (Winograd 1980): MADE outputs of a row are made of POINTS products, where sums as they are written take
 * MADE TAPS_X (backends/accelerated/minimal.py).
 *
 *   y = MAKE(FILTER(w) * SEE(d)) of taps w and the TILE_SEES values d that these outputs see. Turned round: dd = GATHER(FILTER(w) * SPREAD(dy))
 *   and dw = NARROW(SPREAD(dy) * SEE(d)); what is summed, over maps, rows or samples, is summed before the last of them
 *
 *   SEE SPREAD FILTER (p, x)     vectors of lanes to points, in registers
 *   MAKE GATHER NARROW (x, p)    and back; these change p
 *   load_slopes(dy, row, t)      the outputs of a tile
 *   TILES_OF_ROW                 of MADE outputs; the last may reach beyond the row: what is read there is 0
 *   ROW_OF(kernel_at, uz, uy)    the number of a row of taps of those that weights have, [point][row]; TAP_ROWS of them
 *   WEIGHTS_AT(block)            where the weights begin that a block uses: WEIGHTS_BLOCKS neighbours share them, which one item computes
 *   SEEN_AT(map, z, y) SPREAD_AT(map, z, y)   where a row of [point][map][z][y][tile] begins in a block's SEE, or SPREAD
 *   SEEN_POINT SPREAD_POINT      from a point to the next in these, in numbers; SEEN_BLOCK SPREAD_BLOCK, from a block to the next
 *
 * Defines: those of convolution.h; MADE POINTS PAIRS; A_MATRIX B_MATRIX G_MATRIX, numbers row by row; WEIGHTS_BLOCKS.
 */
#define TILE_SEES ((MADE - 1) * STRIDE_X + TAPS_X)
#define TILES_OF_ROW TILES(OUT_WIDTH, MADE)
#define TAP_ROWS (BIASES / TAPS_X)
#define ROW_OF(kernel_at, uz, uy) ((kernel_at) / TAPS_X + (uz) * TAPS_Y + (uy))
#define WEIGHTS_AT(block) ((INDEX)((block) / WEIGHTS_BLOCKS) * POINTS * TAP_ROWS)

#define SEEN_AT(map, z, y) AT((((INDEX)(map) * IN_DEPTH + (z)) * IN_HEIGHT + (y)) * TILES_OF_ROW)
#define SPREAD_AT(map, z, y) AT((((INDEX)(map) * OUT_DEPTH + (z)) * OUT_HEIGHT + (y)) * TILES_OF_ROW)
/* A vector more, since caches hold few lines whose distance is a power of two. */
#define SEEN_POINT (((INDEX)IN_MAPS * IN_DEPTH * IN_HEIGHT * TILES_OF_ROW + 1) * LANES)
#define SPREAD_POINT (((INDEX)OUT_MAPS * OUT_DEPTH * OUT_HEIGHT * TILES_OF_ROW + 1) * LANES)
#define SEEN_BLOCK (POINTS * SEEN_POINT)
#define SPREAD_BLOCK (POINTS * SPREAD_POINT)

CONSTANT REAL matrix_a[MADE * POINTS] = {A_MATRIX};
CONSTANT REAL matrix_b[POINTS * TILE_SEES] = {B_MATRIX};
CONSTANT REAL matrix_g[POINTS * TAPS_X] = {G_MATRIX};
#define OF_A(r, c) matrix_a[(r) * POINTS + (c)]
#define OF_B(r, c) matrix_b[(r) * TILE_SEES + (c)]
#define OF_G(r, c) matrix_g[(r) * TAPS_X + (c)]
#define OF_A_T(r, c) OF_A(c, r)
#define OF_B_T(r, c) OF_B(c, r)
#define OF_G_T(r, c) OF_G(c, r)

/* All numbers are known when compiling: zeros are no work, and ones are no products. */
#define BY_MATRIX(t, rows, x, columns, NUMBER)                          \
    UNROLLED(to, rows) {                                                \
        t[to] = (REALV)(0);                                             \
        UNROLLED(from, columns)                                         \
        if (NUMBER(to, from) == 1)                                      \
            t[to] += x[from];                                           \
        else if (NUMBER(to, from) != 0)                                 \
            t[to] = FMA((REALV)(NUMBER(to, from)), x[from], t[to]);     \
    }

/* Sums and differences of the first points, by twos. */
INLINED void pair_up(REALV p[POINTS])
{
    UNROLLED(k, PAIRS) {
        const REALV even = p[2 * k], odd = p[2 * k + 1];
        p[2 * k] = even + odd;
        p[2 * k + 1] = even - odd;
    }
}

INLINED void SEE(REALV p[POINTS], const REALV x[TILE_SEES])
{
    BY_MATRIX(p, POINTS, x, TILE_SEES, OF_B);
    pair_up(p);
}

INLINED void SPREAD(REALV p[POINTS], const REALV x[MADE])
{
    BY_MATRIX(p, POINTS, x, MADE, OF_A_T);
    pair_up(p);
}

INLINED void FILTER(REALV p[POINTS], const REALV x[TAPS_X])
{
    BY_MATRIX(p, POINTS, x, TAPS_X, OF_G);
    pair_up(p);
}

INLINED void MAKE(REALV x[MADE], REALV p[POINTS])
{
    pair_up(p);
    BY_MATRIX(x, MADE, p, POINTS, OF_A);
}

INLINED void GATHER(REALV x[TILE_SEES], REALV p[POINTS])
{
    pair_up(p);
    BY_MATRIX(x, TILE_SEES, p, POINTS, OF_B_T);
}

INLINED void NARROW(REALV x[TAPS_X], REALV p[POINTS])
{
    pair_up(p);
    BY_MATRIX(x, TAPS_X, p, POINTS, OF_G_T);
}

/* The outputs of tile t of a row, 0 beyond it. */
INLINED void load_slopes(REALV d[MADE], GLOBAL const REAL* row, const int t)
{
    UNROLLED(n, MADE) {
        d[n] = (REALV)(0);
        if (OUT_WIDTH % MADE == 0 || t * MADE + n < OUT_WIDTH) d[n] = LOADV(row, AT(t * MADE + n));
    }
}
