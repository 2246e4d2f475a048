/* How flat vectors are dealt: each group takes a contiguous chunk, its work-items vectors of V elements side by side, so that CPUs read on and
 * GPUs read together.
 *
 *   TAKE_CHUNK(n)             this work-item's part of n elements: vectors at `first`, `first + step`, .. that begin before `last`
 *   EACH_VECTOR(i)            over those that are whole; EACH_PART(i) over all, the last of which may be cut off by the end
 *   EACH_LEFT_OVER(i, n)      over the elements that fill no vector, one by one
 *   LOAD_PART(p, i, n)        a vector of which elements from n on are 0; STORE_PART(v, p, i, n) leaves those alone
 *
 * Grid: any number of groups on one axis.
 */
#define TAKE_CHUNK(n)                                                                        \
    const INDEX step = (INDEX)LOCAL_SIZE(0) * V;                                             \
    const INDEX chunk = ((n) + step * GROUPS(0) - 1) / (step * GROUPS(0)) * step;            \
    const INDEX first = chunk * GROUP_ID(0) + (INDEX)LOCAL_ID(0) * V;                        \
    const INDEX last = chunk * (GROUP_ID(0) + 1) < (n) ? chunk * (GROUP_ID(0) + 1) : (n)
#define EACH_VECTOR(i) (INDEX i = first; i + V <= last; i += step)
#define EACH_PART(i) (INDEX i = first; i < last; i += step)
#define EACH_LEFT_OVER(i, n) (INDEX i = (n) / V * V + GLOBAL_ID(0); i < (n); i += GLOBAL_SIZE(0))

#if V == 1
#define LOAD_PART(p, i, n) ((p)[i])
#define STORE_PART(v, p, i, n) ((p)[i] = (v))
#else
DEVICE REALV LOAD_PART(GLOBAL const REAL* p, INDEX i, INDEX n)
{
    if (i + V <= n) return LOADV(p, i);
    REAL each[V];
    for (int lane = 0; lane < V; ++lane) each[lane] = i + lane < n ? p[i + lane] : 0;
    return LOADV(each, 0);
}

DEVICE void STORE_PART(REALV v, GLOBAL REAL* p, INDEX i, INDEX n)
{
    if (i + V <= n) {
        STOREV(v, p, i);
    } else {
        REAL each[V];
        STOREV(v, each, 0);
        for (int lane = 0; lane < V; ++lane)
            if (i + lane < n) p[i + lane] = each[lane];
    }
}
#endif
