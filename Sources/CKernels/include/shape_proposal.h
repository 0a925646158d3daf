#pragma once
/* Proposals of shapes (see SignalLayout in the ModelSpace library) of an importance sampler, drawn and evaluated for
   many samples at once: normals in local coordinates about a centre, of any number of axes, rotations and scalars.

   Samples are rows of N floats; a shape takes the rows of its scalars, of its axes (3 each) and of its rotations (unit
   quaternions, 4 each), one after the other.  Local coordinates u, D = 2 axes + 3 rotations + scalars ≤ PK_SHAPE_MOST,
   stand in this order:
       axes       t_1, t_2: μ = (1 − ½t²) m + (1 − ¼t²)^½ (t_1 e_1 + t_2 e_2), t² ≤ 2, area element dt
       rotations  ω: q exp[ω], the nearest of the four alike; density by the invariant measure that is dω at ω = 0
       scalars    differences from the centre
   The density is the product of the conditionals u_j | u_{j+1…D} of a normal with precision L Lᵀ, those of scalars
   truncated to their bounds: they come last, so that what the truncation of the last leaves is one number a component.
   */
enum { PK_SHAPE_MOST = 48 };

typedef struct {
    long axes, rotations, scalars;
    const float *low, *high; /* bounds of the scalars */
} pk_shape_space;

/* A component is so many floats: its centre's scalars, axes, two tangents e_1 e_2 of each axis, rotations; L, D × D in
   the lower triangle, row-major. */
long pk_shape_component_size(const pk_shape_space *space);

/* Shapes of `count` samples (a multiple of 16) from uniforms in (0, 1), D rows of `count`; rows from `rows` on have a
   stride.  The first number of an axis or rotation is NaN where it leaves the half-sphere, or the quarter of all
   rotations that is nearest to the centre; a scalar, where its bounds are so far out (30 standard deviations) that next
   to nothing of it is inside. */
void pk_draw_shapes(const float *component, const pk_shape_space *space, const float *uniforms, long count, long stride,
                    float *rows);

/* Moves the samples of `count` whose scalars, axes and rotations are numbers to the beginning, in their order.  Returns
   how many they are. */
long pk_keep_shapes(const pk_shape_space *space, long count, long stride, float *rows);

/* total_i = log(exp(total_i) + Σ_c counts_c q_c) over the densities of `many` components, one after the other in
   memory, at each of `count` samples. Absolute error of a log-density ≤ 2e-3 where it is ≥ −100, of the sum besides ≤
   1e-6 + 1e-7 |total|. */
void pk_add_proposals(const float *components, const float *counts, long many, const pk_shape_space *space,
                      const float *rows, long stride, long count, float *total);

/* Members of a set that may change places, n ≤ PK_MEMBERS_MOST: a sample x stands for n! labellings, among which a
   likeness to references divides it,
       share_i = Σ_k l_kk − log Σ_π exp Σ_k l_kπ(k),   l_kj = Σ_axes κ (μ_k·m_j)² + Σ_rotations κ Σ_c R_cc² − Σ_scalars
       κ (x_k − c_j)²
   R the rotation from the reference's frame to the sample's, κ of reference j.  places: of each member the first rows
   of its axes, rotations, scalars; references: of each member its axes (3), rotations (4), scalars (1); sharpness: κ of
   each of these.  Shares are added to two logs.  Absolute error ≤ 3e-4 down to −79; of more than three members while no
   l_kj − l_kk exceeds 80/n. */
enum { PK_MEMBERS_MOST = 8 };
typedef struct {
    long members, axes, rotations, scalars; /* of each member */
    const int *places;
    const float *references, *sharpness;
} pk_member_set;
void pk_share_labels(const pk_member_set *set, const float *rows, long stride, long count, double *logs, double *other);
