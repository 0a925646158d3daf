import Foundation

/// Local coordinates about a rotation, a unit quaternion q = (w, x, y, z): angles ω about its own axes, q exp[ω]
/// (rotation by |ω| about ω).
///
/// What a rotation means here is a frame whose axes have no sign: turning it by half a turn about one of them changes
/// nothing. So the coordinates are those of the nearest of the four alike, and the space has volume 2π² (of 8π²) in the
/// measure dω at ω = 0.
public enum RotationChart {
    /// An axis of the frame of a quaternion q = (w, x, y, z), the first or the last, |q|² long.
    public static func axis<T: BinaryFloatingPoint & SIMDScalar>(_ column: Int, of q: UnsafePointer<T>) -> SIMD3<T> {
        let (w, x, y, z) = (q[0], q[1], q[2], q[3]), size = w * w + x * x + y * y + z * z
        return column == 0
            ? SIMD3(size - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))
            : SIMD3(2 * (x * z + w * y), 2 * (y * z - w * x), size - 2 * (x * x + y * y))
    }

    /// The quaternion at ω.
    public static func move(
        _ q: UnsafePointer<Double>, by w: UnsafePointer<Double>, into out: UnsafeMutablePointer<Double>
    ) {
        let angle = (w[0] * w[0] + w[1] * w[1] + w[2] * w[2]).squareRoot(),
            s = angle > 1e-8 ? sin(angle / 2) / angle : 0.5
        let (a, x, y, z) = (cos(angle / 2), s * w[0], s * w[1], s * w[2])
        let (p0, p1, p2, p3) = (q[0], q[1], q[2], q[3])
        out[0] = p0 * a - p1 * x - p2 * y - p3 * z
        out[1] = p0 * x + p1 * a + p2 * z - p3 * y
        out[2] = p0 * y + p2 * a + p3 * x - p1 * z
        out[3] = p0 * z + p3 * a + p1 * y - p2 * x
    }

    /// ω of the nearest frame that is like `p`, about q.
    public static func coordinates(
        of p: UnsafePointer<Double>, about q: UnsafePointer<Double>, into w: UnsafeMutablePointer<Double>
    ) {
        // q⁻¹ p; multiplied by a unit quaternion i, j or k its numbers change places.
        var r = SIMD4(
            q[0] * p[0] + q[1] * p[1] + q[2] * p[2] + q[3] * p[3],
            q[0] * p[1] - q[1] * p[0] - q[2] * p[3] + q[3] * p[2],
            q[0] * p[2] - q[2] * p[0] - q[3] * p[1] + q[1] * p[3], q[0] * p[3] - q[3] * p[0] - q[1] * p[2] + q[2] * p[1]
        )
        let size = SIMD4(abs(r[0]), abs(r[1]), abs(r[2]), abs(r[3])), largest = size.max()
        if size[0] < largest {
            if size[1] == largest {
                r = SIMD4(r[1], -r[0], -r[3], r[2])
            } else if size[2] == largest {
                r = SIMD4(r[2], r[3], -r[0], -r[1])
            } else {
                r = SIMD4(r[3], -r[2], r[1], -r[0])
            }
        }
        if r[0] < 0 { r = -r }
        let s = (r[1] * r[1] + r[2] * r[2] + r[3] * r[3]).squareRoot(), angle = 2 * atan2(s, r[0]),
            scale = s > 1e-12 ? angle / s : 2
        (w[0], w[1], w[2]) = (scale * r[1], scale * r[2], scale * r[3])
    }
}
