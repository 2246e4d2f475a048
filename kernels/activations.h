/* phi(z), and phi'(z) from z and y = phi(z): gcnn/activations.py, with backends/numpy/activations.py as the measure.
 *
 * PHI(z)             VALUES to VALUES; finite at any finite z.
 * PHI_PRIME(z, y)    formed from whichever is exact: from y, or from z where y has lost it. The other is not read.
 * Defines: ACTIVATION, one of the numbers below (default IDENTITY): softmax is no function of one value (activation.cl). VALUES, what a number
 * stands for: REALV, or another vector.
 */
#define IDENTITY 0
#define LOGISTIC 1
#define TANH 2
#define SCALED_TANH 3
#define SOFT_LOGISTIC 4
#define SOFTSIGN 5
#define RELU 6
#define SOFTPLUS 7
#ifndef ACTIVATION
#define ACTIVATION IDENTITY
#endif
#ifndef VALUES
#define VALUES REALV
#endif

/* The exponential is never above 1. */
DEVICE VALUES PHI_LOGISTIC(VALUES z)
{
    const VALUES e = exp(-fabs(z));
    return (z < 0 ? e : (VALUES)(1)) / (1 + e);
}

/* In single precision z P(z^2) / Q(z^2), within 5.1 units of the last place, as far as OpenCL lets its own tanh err, in a half to a quarter of
 * the time (decision "tanh"). Beyond TANH_ONE it is 1; a NaN stays one, and 0 keeps its sign. */
#if ACTIVATION == TANH || ACTIVATION == SCALED_TANH
#if REAL_BITS == 32
#define TANH_ONE REALC(9.01)
DEVICE VALUES PHI_TANH(VALUES z)
{
    z = z > TANH_ONE ? (VALUES)(TANH_ONE) : z;
    z = z < -TANH_ONE ? (VALUES)(-TANH_ONE) : z;
    const VALUES s = z * z;
    VALUES p = FMA(s, (VALUES)(REALC(1.3402010168306333e-08)), (VALUES)(REALC(2.0648512872867286e-05)));
    p = FMA(s, p, (VALUES)(REALC(0.003498225240036845)));
    p = FMA(s, p, (VALUES)(REALC(0.13383331894874573)));
    p = FMA(s, p, (VALUES)(1));
    VALUES q = FMA(s, (VALUES)(REALC(7.797471539561229e-07)), (VALUES)(REALC(0.0003289775049779564)));
    q = FMA(s, q, (VALUES)(REALC(0.025887276977300644)));
    q = FMA(s, q, (VALUES)(REALC(0.467166543006897)));
    q = FMA(s, q, (VALUES)(1));
    const VALUES t = z * p / q;
    return t > 1 ? (VALUES)(1) : t < -1 ? (VALUES)(-1) : t;
}
#else
#define PHI_TANH(z) tanh(z)
#endif
#endif

#if ACTIVATION == IDENTITY
#define PHI(z) (z)
#define PHI_PRIME(z, y) ((VALUES)(1))
#elif ACTIVATION == LOGISTIC
#define PHI(z) PHI_LOGISTIC(z)
#define PHI_PRIME(z, y) ((y) * (1 - (y)))
#elif ACTIVATION == TANH
#define PHI(z) PHI_TANH(z)
#define PHI_PRIME(z, y) (1 - (y) * (y))
#elif ACTIVATION == SCALED_TANH
/* LeCun et al. 1998, appendix A: 1.7159 tanh(2 z / 3) */
#define TANH_HEIGHT REALC(1.7159)
#define TANH_SLOPE REALC(0.66666666666666667)
#define PHI(z) (TANH_HEIGHT * PHI_TANH(TANH_SLOPE * (z)))
#define PHI_PRIME(z, y) ((TANH_SLOPE / TANH_HEIGHT) * (TANH_HEIGHT - (y)) * (TANH_HEIGHT + (y)))
#elif ACTIVATION == SOFT_LOGISTIC
DEVICE VALUES PHI(VALUES z)
{
    const VALUES tail = REALC(0.5) / (1 + fabs(z));
    return z < 0 ? tail : 1 - tail;
}
#define PHI_PRIME(z, y) (REALC(0.5) / (1 + fabs(z)) / (1 + fabs(z)))
#elif ACTIVATION == SOFTSIGN
#define PHI(z) ((z) / (1 + fabs(z)))
#define PHI_PRIME(z, y) (1 / (1 + fabs(z)) / (1 + fabs(z)))
#elif ACTIVATION == RELU
/* Not fmax, which loses a NaN. */
#define PHI(z) ((z) < 0 ? (VALUES)(0) : (z))
#define PHI_PRIME(z, y) ((y) > 0 ? (VALUES)(1) : (VALUES)(0))
#elif ACTIVATION == SOFTPLUS
DEVICE VALUES PHI(VALUES z)
{
    return (z < 0 ? (VALUES)(0) : z) + log1p(exp(-fabs(z)));
}
#define PHI_PRIME(z, y) PHI_LOGISTIC(z)
#else
#error "ACTIVATION is none of these numbers"
#endif
