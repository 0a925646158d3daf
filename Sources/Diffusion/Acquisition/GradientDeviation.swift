import Foundation
import Volumes

/// How a scanner's gradients deviate from what was asked for, voxel by voxel (gradient non-linearity): HCP's
/// `grad_dev`, nine volumes that make a 3×3 matrix L, column after column, in the frame of FSL's bvecs.
///
///     g_voxel = (I + L) g / |(I + L) g|,     b_voxel = b |(I + L) g|²
///
/// as FSL's `xfibres --gradnonlin` and `dtifit --gradnonlin` take it. Volumes without a direction stay as they are, and
/// which of them are b≈0 is said by the table.
/// - Source: Sotiropoulos et al., NeuroImage 80 (2013) 125; Bammer et al., Magn. Reson. Med. 50 (2003) 560.
public struct GradientDeviation: Sendable {
    /// How large it is, over the voxels of a mask.
    public struct Size: Sendable, Equatable, Codable {
        /// max over g of |b_voxel/b − 1|: its median over the voxels and the value that one voxel in a hundred exceeds.
        public var medianB: Double, highB: Double
        /// max over g of the angle between g and g_voxel, degrees, of the latter kind.
        public var highAngle: Double
    }

    public let size: Size
    /// Voxels whose numbers are not finite: they count as without deviation.
    public let unknown: Int
    /// [V × 9] L of each voxel.
    public let values: [Float]
    private let frame: FrameConversion

    /// What no gradient coil exceeds: |b_voxel/b − 1| in all but one voxel of a hundred.
    private static let largest = 1.0

    /// - Parameter frame: how the image's axes lie in the scanner.
    /// - Errors: `VolumeError.wrongDimensions` for anything but nine volumes, `GradientTableError.notDeviations`.
    public init(path: String, mask: Mask, frame: FrameConversion) throws {
        let geometry = try VolumeReader(path: path).geometry
        guard geometry.volumeCount == 9 else {
            throw VolumeError.wrongDimensions(
                path: path, shape: geometry.shape,
                wanted: "gradient deviations are nine volumes; give the file whole, or take it away")
        }
        self.init(try MaskedSeries(path: path, mask: mask).values, frame: frame)
        guard size.highB <= Self.largest else {
            throw GradientTableError.notDeviations(path: path, change: size.highB)
        }
    }

    /// - Parameter values: V × 9.
    public init(_ values: [Float], frame: FrameConversion) {
        var values = values, unknown = 0
        for start in stride(from: 0, to: values.count, by: 9) where !values[start..<start + 9].allSatisfy(\.isFinite) {
            unknown += 1
            for k in 0..<9 { values[start + k] = 0 }
        }
        (self.values, self.unknown, self.frame) = (values, unknown, frame)
        size = Self.size(values)
    }

    /// Columns of I + L.
    private static func columns(_ l: (Int) -> Float) -> (SIMD3<Double>, SIMD3<Double>, SIMD3<Double>) {
        (
            SIMD3(1 + Double(l(0)), Double(l(1)), Double(l(2))), SIMD3(Double(l(3)), 1 + Double(l(4)), Double(l(5))),
            SIMD3(Double(l(6)), Double(l(7)), 1 + Double(l(8)))
        )
    }

    private static func size(_ values: [Float]) -> Size {
        let probes = DirectionSets.fibonacci(40)
        var b: [Double] = [], angles: [Double] = []
        for start in stride(from: 0, to: values.count, by: 9) {
            let (x, y, z) = columns { values[start + $0] }
            var change = 0.0, angle = 0.0
            for g in probes {
                let moved = g.x * x + g.y * y + g.z * z, square = (moved * moved).sum()
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
        return Size(medianB: at(b, 0.5), highB: at(b, 0.99), highAngle: at(angles, 0.99))
    }

    /// The acquisition as voxel v has seen it.
    /// - Parameter nominal: what was asked for, in the scanner's frame.
    public func acquisition(_ nominal: Acquisition, at v: Int) -> Acquisition {
        guard values[9 * v..<9 * v + 9].contains(where: { $0 != 0 }) else { return nominal }
        let (x, y, z) = Self.columns { values[9 * v + $0] }
        return nominal.moved { g in
            let own = frame.fsl(fromScanner: g)
            return frame.scanner(fromFSL: own.x * x + own.y * y + own.z * z)
        }
    }

    /// The same of some of the voxels.
    public func selecting(_ voxels: [Int]) -> GradientDeviation {
        GradientDeviation(voxels.flatMap { values[9 * $0..<9 * $0 + 9] }, frame: frame)
    }

    /// What a user ought to know: how much it is.
    public func description(path: String) -> String {
        String(
            format:
                "%@ says that b differs from the table by up to %.1f %% in half of the voxels and %.1f %% in one of "
                + "a hundred, directions by %.1f°", path as NSString, 100 * size.medianB, 100 * size.highB,
            size.highAngle)
            + (unknown > 0 ? "; in \(unknown) voxels it is not finite and counts as none" : "")
    }
}

extension Acquisition {
    /// The same volumes taken with other gradients: along `move`(g), with b times its squared length. Which volumes are
    /// b≈0 stays, and so do those without a direction.
    func moved(_ move: (SIMD3<Double>) -> SIMD3<Double>) -> Acquisition {
        var b = bValues, g = directions
        for i in g.indices where g[i] != .zero {
            let moved = move(g[i]), square = (moved * moved).sum()
            guard square > 1e-12 else { continue }
            b[i] *= square
            g[i] = moved / square.squareRoot()
        }
        return Acquisition(trusted: b, g, threshold: threshold, unweighted: unweightedIndices, timing: timing)
    }
}
