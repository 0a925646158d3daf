import Foundation
import Volumes

/// How far a scanner's gradients deviate from what was asked for, voxel by voxel: HCP's `grad_dev`, nine volumes that
/// make a 3×3 matrix L.
///
///     g_voxel = (I + L) g,     b_voxel = b |g_voxel|²
///
/// Only the sizes are worked out here: the largest change of b and of direction over all g.
/// - Source: Sotiropoulos et al., NeuroImage 80 (2013) 125; Bammer et al., Magn. Reson. Med. 50 (2003) 560.
public struct GradientDeviation: Sendable, Equatable {
    /// max over g of |b_voxel/b − 1|: its median over the mask's voxels and the value that one voxel in a hundred
    /// exceeds.
    public let medianB: Double, highB: Double
    /// max over g of the angle between g and g_voxel, degrees, of the latter kind.
    public let highAngle: Double

    /// - Errors: `VolumeError`, `.wrongDimensions` for anything but nine volumes.
    public init(path: String, mask: Mask) throws {
        let geometry = try VolumeReader(path: path).geometry
        guard geometry.volumeCount == 9 else {
            throw VolumeError.wrongDimensions(
                path: path, shape: geometry.shape,
                wanted: "gradient deviations are nine volumes; give the file whole, or take it away")
        }
        self.init(
            MaskedSeries(mask: mask, measurements: 9, values: try MaskedSeries(path: path, mask: mask).values).values)
    }

    /// - Parameter values: nine of each voxel; voxels with values that are not finite are left out.
    init(_ values: [Float]) {
        let probes = DirectionSets.fibonacci(40)
        var b: [Double] = [], angles: [Double] = []
        for start in stride(from: 0, to: values.count, by: 9) {
            let l = (0..<9).map { Double(values[start + $0]) }
            guard l.allSatisfy(\.isFinite) else { continue }
            let columns = (0..<3).map { c in
                SIMD3(l[3 * c], l[3 * c + 1], l[3 * c + 2]) + SIMD3(c == 0 ? 1 : 0, c == 1 ? 1 : 0, c == 2 ? 1 : 0)
            }
            var change = 0.0, angle = 0.0
            for g in probes {
                let moved = g.x * columns[0] + g.y * columns[1] + g.z * columns[2], square = (moved * moved).sum()
                change = max(change, abs(square - 1))
                angle = max(angle, acos(min(1, abs((moved * g).sum()) / max(square.squareRoot(), 1e-12))))
            }
            b.append(change)
            angles.append(angle * 180 / .pi)
        }
        b.sort()
        angles.sort()
        func at(_ list: [Double], _ p: Double) -> Double {
            list.isEmpty ? 0 : list[min(list.count - 1, Int(p * Double(list.count)))]
        }
        (medianB, highB, highAngle) = (at(b, 0.5), at(b, 0.99), at(angles, 0.99))
    }

    /// What a user must know of deviations that a fit does not take in.
    public func warning(path: String) -> String {
        String(
            format:
                "%@ says that b differs from the table by up to %.1f %% in half of the voxels and %.1f %% in one of "
                + "a hundred, directions by %.1f°: the fit takes the table as it is in every voxel, so that "
                + "diffusivities are off by as much there.",
            path as NSString, 100 * medianB, 100 * highB, highAngle)
    }
}
