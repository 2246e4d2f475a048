/* What the kernels of Winograd's algorithm share. Tiles are MADE by MADE outputs, of which together SIDE by SIDE values are seen; POSITIONS
 * products take the place of 9 MADE MADE (Winograd 1980; Lavin and Gray 2016).
 *
 *   y = A^T ((G w G^T) * (B^T d B)) A                     outputs, from values d and taps w
 *   dw = G^T ((A delta A^T) * (B^T d B)) G                the same turned round: slopes of the taps
 *
 * F(2x2, 3x3), of the points 0, 1, -1 and infinity:
 *
 *         1 0 -1 0          1   0   0
 *   B^T = 0 1  1 0     G = 1/2 1/2 1/2     A^T = 1 1  1  0
 *         0 -1 1 0         1/2 -1/2 1/2          0 1 -1 -1
 *         0 1  0 -1         0   0   1
 *
 * F(4x4, 3x3), of the points 0, p, -p, q, -q and infinity. p = 3/4 and q = 3/2 err half as much as the usual 1 and 2, and all numbers but
 * those of G are exact:
 *
 *         p2q2  0  -p2-q2   0     1 0        1/p2q2      0     0                1 1   1   1   1  0
 *          0  -pq2  -q2     p     1 0         1/P       p/P  p2/P               0 p  -p   q  -q  0
 *   B^T =  0   pq2  -q2    -p     1 0    G =  1/P      -p/P  p2/P        A^T =  0 p2  p2  q2  q2 0
 *          0  -qp2  -p2     q     1 0         1/Q       q/Q  q2/Q               0 p3 -p3  q3 -q3 1
 *          0   qp2  -p2    -q     1 0         1/Q      -q/Q  q2/Q
 *          0  p2q2   0    -p2-q2  0 1          0         0     1         P = 2 p2 (p2 - q2), Q = 2 q2 (q2 - p2)
 *
 *   SEE MAKE FILTER SPREAD NARROW(t, x, step)   t := B^T x, A^T x, G x, A x, G^T x, of numbers that are `step` apart in both
 *   BOTH_WAYS(MATRIX, t, x, to, from)           such a matrix by x by its transpose: x has `from` rows and columns, t gets `to`
 *   load_tile(d, plane, y, x, side, ..)         the values of a tile of a plane, whose corner is (y, x); 0 beyond the plane
 *   see_tile(p, plane, y, x)                    p := B^T d B of those that are seen
 *   multiply(..)                                a product of matrices in registers
 *
 * Products are of broad vectors, which where blocks are narrower hold several of them side by side.
 *
 * Defines: MADE, 2 or 4; FROM_HEIGHT FROM_WIDTH; ROWS_TILE VECTORS_TILE, what is kept in registers.
 */
#define SIDE (MADE + 2)
#define POSITIONS (SIDE * SIDE)
#define TAPS_SIDE 3
#define TAPS (TAPS_SIDE * TAPS_SIDE)
#define INSIDE(x, size) ((x) >= 0 && (x) < (size))

#if MADE == 2
INLINED void SEE(REALV* t, const REALV* x, const int step)
{
    t[0] = x[0] - x[2 * step];
    t[step] = x[step] + x[2 * step];
    t[2 * step] = x[2 * step] - x[step];
    t[3 * step] = x[step] - x[3 * step];
}

INLINED void MAKE(REALV* t, const REALV* x, const int step)
{
    t[0] = x[0] + x[step] + x[2 * step];
    t[step] = x[step] - x[2 * step] - x[3 * step];
}

INLINED void FILTER(REALV* t, const REALV* x, const int step)
{
    const REALV even = REALC(0.5) * (x[0] + x[2 * step]), odd = REALC(0.5) * x[step];
    t[0] = x[0];
    t[step] = even + odd;
    t[2 * step] = even - odd;
    t[3 * step] = x[2 * step];
}

INLINED void SPREAD(REALV* t, const REALV* x, const int step)
{
    t[0] = x[0];
    t[step] = x[0] + x[step];
    t[2 * step] = x[0] - x[step];
    t[3 * step] = -x[step];
}

INLINED void NARROW(REALV* t, const REALV* x, const int step)
{
    const REALV even = REALC(0.5) * (x[step] + x[2 * step]);
    t[0] = x[0] + even;
    t[step] = REALC(0.5) * (x[step] - x[2 * step]);
    t[2 * step] = even + x[3 * step];
}
#elif MADE == 4
#define P REALC(0.75)
#define Q REALC(1.5)
#define P2 REALC(0.5625)
#define Q2 REALC(2.25)
#define P3 REALC(0.421875)
#define Q3 REALC(3.375)
#define P2Q2 REALC(1.265625)
#define P2_PLUS_Q2 REALC(2.8125)
/* 1/P and 1/Q of G. */
#define OF_P (REALC(-128.0) / REALC(243.0))
#define OF_Q (REALC(32.0) / REALC(243.0))
#define SCALED(number, x, y) FMA((REALV)(number), x, y)

INLINED void SEE(REALV* t, const REALV* x, const int step)
{
    const REALV x1 = x[step], x2 = x[2 * step], x3 = x[3 * step], x4 = x[4 * step];
    const REALV even_p = SCALED(-Q2, x2, x4), odd_p = SCALED(-Q2, x1, x3);
    const REALV even_q = SCALED(-P2, x2, x4), odd_q = SCALED(-P2, x1, x3);
    t[0] = SCALED(P2Q2, x[0], SCALED(-P2_PLUS_Q2, x2, x4));
    t[step] = SCALED(P, odd_p, even_p);
    t[2 * step] = SCALED(-P, odd_p, even_p);
    t[3 * step] = SCALED(Q, odd_q, even_q);
    t[4 * step] = SCALED(-Q, odd_q, even_q);
    t[5 * step] = SCALED(P2Q2, x1, SCALED(-P2_PLUS_Q2, x3, x[5 * step]));
}

INLINED void MAKE(REALV* t, const REALV* x, const int step)
{
    const REALV even_p = x[step] + x[2 * step], odd_p = x[step] - x[2 * step];
    const REALV even_q = x[3 * step] + x[4 * step], odd_q = x[3 * step] - x[4 * step];
    t[0] = x[0] + even_p + even_q;
    t[step] = SCALED(P, odd_p, Q * odd_q);
    t[2 * step] = SCALED(P2, even_p, Q2 * even_q);
    t[3 * step] = SCALED(P3, odd_p, SCALED(Q3, odd_q, x[5 * step]));
}

INLINED void FILTER(REALV* t, const REALV* x, const int step)
{
    const REALV even_p = OF_P * SCALED(P2, x[2 * step], x[0]), odd_p = OF_P * P * x[step];
    const REALV even_q = OF_Q * SCALED(Q2, x[2 * step], x[0]), odd_q = OF_Q * Q * x[step];
    t[0] = x[0] / P2Q2;
    t[step] = even_p + odd_p;
    t[2 * step] = even_p - odd_p;
    t[3 * step] = even_q + odd_q;
    t[4 * step] = even_q - odd_q;
    t[5 * step] = x[2 * step];
}

INLINED void SPREAD(REALV* t, const REALV* x, const int step)
{
    const REALV x0 = x[0], x1 = x[step], x2 = x[2 * step], x3 = x[3 * step];
    const REALV even_p = SCALED(P2, x2, x0), odd_p = SCALED(P2, x3, x1);
    const REALV even_q = SCALED(Q2, x2, x0), odd_q = SCALED(Q2, x3, x1);
    t[0] = x0;
    t[step] = SCALED(P, odd_p, even_p);
    t[2 * step] = SCALED(-P, odd_p, even_p);
    t[3 * step] = SCALED(Q, odd_q, even_q);
    t[4 * step] = SCALED(-Q, odd_q, even_q);
    t[5 * step] = x3;
}

INLINED void NARROW(REALV* t, const REALV* x, const int step)
{
    const REALV even_p = OF_P * (x[step] + x[2 * step]), odd_p = OF_P * (x[step] - x[2 * step]);
    const REALV even_q = OF_Q * (x[3 * step] + x[4 * step]), odd_q = OF_Q * (x[3 * step] - x[4 * step]);
    t[0] = x[0] / P2Q2 + even_p + even_q;
    t[step] = SCALED(P, odd_p, Q * odd_q);
    t[2 * step] = SCALED(P2, even_p, SCALED(Q2, even_q, x[5 * step]));
}
#else
#error "MADE must be 2 or 4"
#endif

#define BOTH_WAYS(MATRIX, t, x, to, from)                                         \
    do {                                                                          \
        REALV half_way[(to) * (from)];                                            \
        UNROLLED(column, from) MATRIX(half_way + column, x + column, from);       \
        UNROLLED(row, to) MATRIX(t + row * (to), half_way + row * (from), 1);     \
    } while (0)

INLINED void load_tile(REALV* d, GLOBAL const REAL* plane, const int y, const int x, const int side, const int height, const int width)
{
    if (y >= 0 && y + side <= height && x >= 0 && x + side <= width) {
        UNROLLED(n, side * side) d[n] = LOADV(plane, AT((y + n / side) * width + x + n % side));
    } else {
        REALV guarded[POSITIONS];
        NOT_UNROLLED(n, side * side) {
            const int iy = y + n / side, ix = x + n % side;
            guarded[n] = (REALV)(0);
            if (INSIDE(iy, height) && INSIDE(ix, width)) guarded[n] = LOADV(plane, AT(iy * width + ix));
        }
        UNROLLED(n, side * side) d[n] = guarded[n];
    }
}

INLINED void see_tile(REALV p[POSITIONS], GLOBAL const REAL* plane, const int y, const int x)
{
    REALV d[POSITIONS];
    load_tile(d, plane, y, x, SIDE, FROM_HEIGHT, FROM_WIDTH);
    BOTH_WAYS(SEE, p, d, SIDE, SIDE);
}

/* products[r][v] := sum over k < depth of scalars[r row + k step] vectors[k][v], each v BROAD numbers; or added to them where `add`.
 * There are `rows` >= ROWS_TILE and `columns` >= VECTORS_TILE; the last tiles are moved back. */
INLINED void multiply(GLOBAL REAL* products, GLOBAL const REAL* scalars, const INDEX row, const INDEX step,
                      GLOBAL const REAL* vectors, const int rows, const int columns, const int depth, const int add)
{
    for (int r = 0; r < rows; r += ROWS_TILE) {
        const int r0 = TILE_BACK(r, ROWS_TILE, rows);
        for (int v = 0; v < columns; v += VECTORS_TILE) {
            const int v0 = TILE_BACK(v, VECTORS_TILE, columns);
            REALB sum[ROWS_TILE][VECTORS_TILE];
            UNROLLED(m, ROWS_TILE) UNROLLED(n, VECTORS_TILE)
                sum[m][n] = add ? LOADB(products, ((INDEX)(r0 + m) * columns + v0 + n) * BROAD) : (REALB)(0);
            GLOBAL const REAL* a = scalars + r0 * row;
            GLOBAL const REAL* b = vectors + v0 * BROAD;
            for (int k = 0; k < depth; ++k) {
                REALB seen[VECTORS_TILE];
                UNROLLED(n, VECTORS_TILE) seen[n] = LOADB(b, n * BROAD);
                UNROLLED(m, ROWS_TILE) {
                    const REALB number = (REALB)(a[m * row]);
                    UNROLLED(n, VECTORS_TILE) sum[m][n] = FMA(number, seen[n], sum[m][n]);
                }
                a += step;
                b += columns * BROAD;
            }
            UNROLLED(m, ROWS_TILE) UNROLLED(n, VECTORS_TILE)
                if (!add || (r0 + m >= r && v0 + n >= v)) STOREB(sum[m][n], products, ((INDEX)(r0 + m) * columns + v0 + n) * BROAD);
        }
    }
}
