import Foundation
import ModelSpace

/// Local coordinates of a compartment's parameters about a centre, in which the prior is flat but for its bounds: differences of logarithms or of
/// values by chart; Lambert's (`LocalGeometry`) for an axis; for a rotation R three angles ω about its own axes, R exp[ω].
public enum LocalCoordinates {
    /// p as numbers that know their derivatives by the coordinates, at most eight of them.
    static func duals(_ p: UnsafePointer<Double>, _ parameters: [Parameter], into out: UnsafeMutablePointer<Dual>) {
        var i = 0, k = 0
        func unit(_ k: Int, _ size: Double) -> SIMD8<Double> {
            var v = SIMD8<Double>.zero
            v[k] = size
            return v
        }
        for parameter in parameters {
            switch parameter.chart {
            case .fixed: out[i] = Dual(p[i])
            case .logUniform, .scale: out[i] = Dual(p[i], unit(k, p[i]))
            case .uniform, .weight, .coefficient: out[i] = Dual(p[i], unit(k, 1))
            case .axis:
                let (e, f) = tangents(p + i)
                for c in 0..<3 { out[i + c] = Dual(p[i + c], unit(k, e[c]) + unit(k + 1, f[c])) }
            case .rotation:
                // q (1, ω/2): the product of quaternions.
                let q = p + i, slopes = [[-q[1], -q[2], -q[3]], [q[0], -q[3], q[2]], [q[3], q[0], -q[1]], [-q[2], q[1], q[0]]]
                for c in 0..<4 { out[i + c] = Dual(q[c], unit(k, slopes[c][0] / 2) + unit(k + 1, slopes[c][1] / 2) + unit(k + 2, slopes[c][2] / 2)) }
            }
            i += parameter.width
            k += parameter.dimension
        }
    }

    /// Two unit vectors at right angles to a unit vector and to each other.
    static func tangents(_ axis: UnsafePointer<Double>) -> (SIMD3<Double>, SIMD3<Double>) {
        let v = SIMD3(axis[0], axis[1], axis[2]), e = LocalGeometry.tangent(v)
        return (e, SymmetricMatrix3.cross(v, e))
    }

    /// The numbers at coordinates u about the centre p. They may lie outside the prior's bounds.
    public static func move(_ p: [Double], _ parameters: [Parameter], by u: [Double]) -> [Double] {
        var out = p, i = 0, k = 0
        for parameter in parameters {
            switch parameter.chart {
            case .fixed: break
            case .logUniform, .scale: out[i] = p[i] * exp(u[k])
            case .uniform, .weight, .coefficient: out[i] = p[i] + u[k]
            case .axis:
                let (e, f) = p.withUnsafeBufferPointer { tangents($0.baseAddress! + i) }, square = min(2, u[k] * u[k] + u[k + 1] * u[k + 1])
                for c in 0..<3 { out[i + c] = (1 - square / 2) * p[i + c] + (1 - square / 4).squareRoot() * (u[k] * e[c] + u[k + 1] * f[c]) }
            case .rotation:
                let w = SIMD3(u[k], u[k + 1], u[k + 2]), angle = (w * w).sum().squareRoot()
                let v = w * (angle > 1e-8 ? sin(angle / 2) / angle : 0.5), s = cos(angle / 2), q = p[i..<i + 4].map { $0 }
                out[i] = q[0] * s - q[1] * v.x - q[2] * v.y - q[3] * v.z
                out[i + 1] = q[0] * v.x + q[1] * s + q[2] * v.z - q[3] * v.y
                out[i + 2] = q[0] * v.y - q[1] * v.z + q[2] * s + q[3] * v.x
                out[i + 3] = q[0] * v.z + q[1] * v.y - q[2] * v.x + q[3] * s
            }
            i += parameter.width
            k += parameter.dimension
        }
        return out
    }
}

/// The columns of the rotation of a unit quaternion (w, x, y, z).
@inline(__always)
func rotationColumns<N: FormNumber>(_ q: UnsafePointer<N>) -> (x: Vector3<N>, y: Vector3<N>, z: Vector3<N>) {
    let one = N(1), ww = q[0], x = q[1], y = q[2], z = q[3]
    return (
        Vector3(one - 2.0 * (y * y + z * z), 2.0 * (x * y + ww * z), 2.0 * (x * z - ww * y)),
        Vector3(2.0 * (x * y - ww * z), one - 2.0 * (x * x + z * z), 2.0 * (y * z + ww * x)),
        Vector3(2.0 * (x * z + ww * y), 2.0 * (y * z - ww * x), one - 2.0 * (x * x + y * y))
    )
}

/// Three numbers of any kind.
struct Vector3<N: FormNumber> {
    var x: N, y: N, z: N
    @inline(__always) init(_ x: N, _ y: N, _ z: N) { (self.x, self.y, self.z) = (x, y, z) }
}
