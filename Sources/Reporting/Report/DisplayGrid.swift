import Diffusion
import Foundation
import Inference
import Volumes

/// An image's grid turned the way it is looked at: x, y, z along the voxel axes nearest to the scanner's, growing
/// towards the subject's right, front and top.
struct DisplayGrid: Sendable {
    /// Which voxel axis each display axis is, and whether it runs backwards.
    let axes: [Int], isReversed: [Bool]
    /// Voxels and mm a voxel along the display axes.
    let shape: [Int], size: [Double]
    /// Largest angle between a display axis and the scanner's, degrees.
    let obliqueness: Double
    private let source: [Int]

    init(_ geometry: VolumeGeometry) {
        let nearest = OrientationPicture.nearestAxes(geometry.affine), r = geometry.affine.rotation
        axes = [nearest.x, nearest.y, nearest.z]
        isReversed = axes.enumerated().map { r[3 * $0 + $1] < 0 }
        source = geometry.spatialShape
        shape = axes.map { geometry.spatialShape[$0] }
        size = axes.map { geometry.affine.columnNorm($0) }
        obliqueness = axes.enumerated().map { acos(min(1, abs(r[3 * $0 + $1]))) * 180 / .pi }.max()!
    }

    /// Index in the image, x fastest, of a display position.
    func index(_ p: [Int]) -> Int {
        var i = [0, 0, 0]
        for d in 0..<3 { i[axes[d]] = isReversed[d] ? shape[d] - 1 - p[d] : p[d] }
        return i[0] + source[0] * (i[1] + source[1] * i[2])
    }

    /// Display position of a voxel.
    func position(_ index: Int) -> [Int] {
        let i = [index % source[0], index / source[0] % source[1], index / (source[0] * source[1])]
        return (0..<3).map { isReversed[$0] ? shape[$0] - 1 - i[axes[$0]] : i[axes[$0]] }
    }

    /// The rotation (nine numbers, row after row) that carries directions along the display axes to the scanner's.
    func toScanner(_ affine: Affine) -> [Double] {
        guard let frame = try? FrameConversion(affine3x3: (0..<9).map { affine[$0 / 3, $0 % 3] }) else {
            return [1, 0, 0, 0, 1, 0, 0, 0, 1]
        }
        let columns = (0..<3).map { frame.columns[axes[$0]] * (isReversed[$0] ? -1 : 1) }
        return (0..<9).map { columns[$0 % 3][$0 / 3] }
    }
}
