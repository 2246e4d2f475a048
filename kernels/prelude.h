/* One dialect for OpenCL C and CUDA C: every kernel file includes this first.
 *
 * Functions   KERNEL before a kernel; DEVICE before a helper. Their names must not be OpenCL's, even where those are
 *             overloaded functions (dot) or types (half): some compilers make macros of them.
 * Memory      GLOBAL, CONSTANT and SHARED qualify pointers; SHARED also declares an array, in a kernel's outermost scope
 *             only; RESTRICT; BARRIER() makes a group's shared memory visible to all of it. Pointers that functions take are
 *             SHARED_ARG and CONSTANT_ARG: CUDA C has qualifiers for what lies there, and none for pointers to it.
 * Indices     LOCAL_ID(axis) GROUP_ID(axis) LOCAL_SIZE(axis) GROUPS(axis) GLOBAL_ID(axis) GLOBAL_SIZE(axis), all int;
 *             INDEX is 64 bits wide, for positions in vectors.
 * Reals       REAL, of REAL_BITS 32 or 64; WIDE, in which sums are kept, of WIDE_BITS 32 or 64;
 *             REALC(1.5) is a literal of type REAL, REAL_LARGEST the largest there is.
 * Lanes       REALV and WIDEV are vectors of V lanes: OpenCL's float16 where V is 16, the scalar itself where V is 1.
 *             LOADV(p, i) and STOREV(v, p, i) at any element i; TO_WIDEV(v), TO_REALV(v), STORE_WIDEV(v, p, i);
 *             SUMV(v) adds the lanes pairwise.
 *             REALB is a broad vector, the widest that a device computes on, of BROAD numbers, however wide blocks are: LOADB(p, i)
 *             and STOREB(v, p, i). Where items compute a lane it is a scalar too.
 *             PUT(value, p, i, add) stores a scalar in p[i], or where the int `add` is not 0 adds it to what is there: gradients are
 *             sums over the parts of a batch; PUTB(v, p, i, add) stores a broad vector so.
 * Samples     Values are stored in blocks of LANES samples, [block][map][x][lane]. One work-item computes V of them:
 *             with V = LANES an item takes a block, with V = 1 an item takes a sample, LANES threads side by side.
 *             AT(i) is where the lanes of element i of a block begin for this work-item, counted in REAL.
 * Tiles       UNROLLED(i, n) is a loop whose bounds are known when compiling, so that an array indexed by it lives in registers;
 *             so it does in helpers that are INLINED; an OUTLINED one is a kernel's body, with its indices as arguments.
 *             NOT_UNROLLED(i, n) stays a loop: what a tile leaves is copied to a second array and written in one, which takes no
 *             time to run and less to compile. TILES(size, tile) is how many there are; where the last is moved back so that it
 *             is full, TILE_BACK(own, tile, size) is where it begins, and what is below `own` is not its to write.
 *             ONE_ITEM_A_BLOCK KERNEL tells compilers that a group is one item, where an item takes a block; HINTED KERNEL that
 *             HINT items may become one vector, for compilers that ask (OpenCL's vec_type_hint; HINT 1, the default, is silent).
 * Arithmetic  FMA(a, b, c) is the only contraction: compilers may not fuse a * b + c on their own, so that
 *             devices agree as far as their functions do.
 *
 * Defines: REAL_BITS; WIDE_BITS (default REAL_BITS); V (default 1); LANES (default V); BROAD, a multiple of V (default V).
 */
#ifndef WIDE_BITS
#define WIDE_BITS REAL_BITS
#endif
#ifndef V
#define V 1
#endif
#ifndef LANES
#define LANES V
#endif
#ifndef BROAD
#define BROAD V
#endif
#if LANES != V && V != 1
#error "a work-item computes all LANES of a block, or one"
#endif

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

#ifdef __OPENCL_VERSION__
#pragma OPENCL FP_CONTRACT OFF
#if REAL_BITS == 64 || WIDE_BITS == 64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif
#define KERNEL __kernel
#define DEVICE static
#define GLOBAL __global
#define CONSTANT __constant
#define CONSTANT_ARG __constant
#define SHARED __local
#define SHARED_ARG __local
#define RESTRICT restrict
#define BARRIER() barrier(CLK_LOCAL_MEM_FENCE)
#define LOCAL_ID(axis) ((int)get_local_id(axis))
#define GROUP_ID(axis) ((int)get_group_id(axis))
#define LOCAL_SIZE(axis) ((int)get_local_size(axis))
#define GROUPS(axis) ((int)get_num_groups(axis))
typedef long INDEX;
#else /* CUDA C, compiled without contraction: NVRTC's --fmad=false */
#if V != 1
#error "CUDA C has no vector arithmetic: V must be 1"
#endif
#define KERNEL extern "C" __global__
#define DEVICE static __device__ __forceinline__
#define GLOBAL
#define CONSTANT __constant__
#define CONSTANT_ARG
#define SHARED __shared__
#define SHARED_ARG
#define RESTRICT __restrict__
#define BARRIER() __syncthreads()
#define AXIS_(v, axis) ((axis) == 0 ? (int)(v).x : (axis) == 1 ? (int)(v).y : (int)(v).z)
#define LOCAL_ID(axis) AXIS_(threadIdx, axis)
#define GROUP_ID(axis) AXIS_(blockIdx, axis)
#define LOCAL_SIZE(axis) AXIS_(blockDim, axis)
#define GROUPS(axis) AXIS_(gridDim, axis)
typedef long long INDEX; /* long has 32 bits on Windows */
#endif
#define GLOBAL_ID(axis) (GROUP_ID(axis) * LOCAL_SIZE(axis) + LOCAL_ID(axis))
#define GLOBAL_SIZE(axis) (GROUPS(axis) * LOCAL_SIZE(axis))

#if REAL_BITS == 64
#define REAL_ double
#define REALC(x) (x)
#define REAL_LARGEST 1.7976931348623157e308
#elif REAL_BITS == 32
#define REAL_ float
#define REALC(x) PASTE(x, f)
#define REAL_LARGEST 3.402823466e38f
#else
#error "REAL_BITS must be 32 or 64"
#endif
#if WIDE_BITS == 64
#define WIDE_ double
#else
#define WIDE_ float
#endif
typedef REAL_ REAL;
typedef WIDE_ WIDE;

#define UNROLLED(i, n) _Pragma("unroll") for (int i = 0; i < (n); ++i)
#define NOT_UNROLLED(i, n) _Pragma("unroll 1") for (int i = 0; i < (n); ++i)
#define TILES(size, tile) (((size) + (tile) - 1) / (tile))
#define TILE_BACK(own, tile, size) ((own) < (size) - (tile) ? (own) : (size) - (tile))
#ifdef __OPENCL_VERSION__
/* PoCL left out some helpers with several callers, whose arrays then were in memory: they took four times as long. */
#define INLINED DEVICE __attribute__((always_inline))
#else
#define INLINED DEVICE
#endif
/* PoCL compiles what is inlined into a kernel three times, one for each way to start it: chains took it twice as long as with calls.
 * Intel's compiler takes five times longer with calls. */
#ifdef POCL_DEVICE_ADDRESS_BITS
#define OUTLINED DEVICE __attribute__((noinline))
#else
#define OUTLINED INLINED
#endif
#if defined(__OPENCL_VERSION__) && V == LANES
#define ONE_ITEM_A_BLOCK __attribute__((reqd_work_group_size(1, 1, 1)))
#else
#define ONE_ITEM_A_BLOCK
#endif
#if defined(__OPENCL_VERSION__) && defined(HINT) && HINT > 1
#define HINTED __attribute__((vec_type_hint(PASTE(REAL_, HINT))))
#else
#define HINTED
#endif

#define FMA(a, b, c) fma(a, b, c)
#define PUT(value, p, i, add) ((p)[i] = (add) ? (p)[i] + (REAL)(value) : (REAL)(value))
#define PUTB(v, p, i, add) STOREB((add) ? LOADB(p, i) + (v) : (v), p, i)

#if V == 1
typedef REAL REALV;
typedef WIDE WIDEV;
#define LOADV(p, i) ((p)[i])
#define STOREV(v, p, i) ((p)[i] = (v))
#define TO_WIDEV(v) ((WIDE)(v))
#define TO_REALV(v) ((REAL)(v))
#define STORE_WIDEV(v, p, i) ((p)[i] = (v))
#define SUMV(v) (v)
#else
typedef PASTE(REAL_, V) REALV;
typedef PASTE(WIDE_, V) WIDEV;
#define LOADV(p, i) PASTE(vload, V)(0, (p) + (i))
#define STOREV(v, p, i) PASTE(vstore, V)(v, 0, (p) + (i))
#define TO_WIDEV(v) PASTE(PASTE(convert_, WIDE_), V)(v)
#define TO_REALV(v) PASTE(PASTE(convert_, REAL_), V)(v)
#define STORE_WIDEV(v, p, i) PASTE(vstore, V)(v, 0, (p) + (i))
DEVICE WIDE SUM2_(PASTE(WIDE_, 2) v) { return v.lo + v.hi; }
DEVICE WIDE SUM4_(PASTE(WIDE_, 4) v) { return SUM2_(v.lo + v.hi); }
DEVICE WIDE SUM8_(PASTE(WIDE_, 8) v) { return SUM4_(v.lo + v.hi); }
DEVICE WIDE SUM16_(PASTE(WIDE_, 16) v) { return SUM8_(v.lo + v.hi); }
#define SUMV(v) PASTE(PASTE(SUM, V), _)(v)
#endif

#if BROAD == 1
typedef REAL REALB;
#define LOADB(p, i) ((p)[i])
#define STOREB(v, p, i) ((p)[i] = (v))
#else
typedef PASTE(REAL_, BROAD) REALB;
#define LOADB(p, i) PASTE(vload, BROAD)(0, (p) + (i))
#define STOREB(v, p, i) PASTE(vstore, BROAD)(v, 0, (p) + (i))
#endif

#if V == LANES
#define AT(i) ((i) * LANES)
#else
#define AT(i) ((i) * LANES + LOCAL_ID(0))
#endif
