import Foundation
import Inference
import Volumes

/// Fibre orientations of one axial slice in the customary colours: red left–right, green front–back, blue up–down,
/// brightness by fraction.
///
/// The slice is cut across the voxel axis nearest to the scanner's z, through the middle of the fitted voxels; the
/// subject's left is on the left and the front is up.
public enum OrientationPicture {
    /// Draws the picture.
    /// - Parameter sticks: whether each fibre of mean fraction ≥ 0.05 is drawn as a line of length in proportion to its
    ///   fraction.
    public static func draw(_ summary: PosteriorSummary, geometry: VolumeGeometry, sticks: Bool = true) -> PNGImage {
        let axes = nearestAxes(geometry.affine), shape = geometry.spatialShape
        let (width, height) = (shape[axes.x], shape[axes.y])
        let isMirrored = geometry.affine[0, axes.x] < 0, isUpsideDown = geometry.affine[1, axes.y] > 0
        func coordinates(_ v: Int) -> [Int] {
            let index = summary.voxels[v]
            return [index % shape[0], index / shape[0] % shape[1], index / (shape[0] * shape[1])]
        }
        let fitted = (0..<summary.count).filter(summary.isFitted)
        let levels = fitted.map { coordinates($0)[axes.z] }.sorted()
        let level = levels.isEmpty ? shape[axes.z] / 2 : levels[levels.count / 2]
        let size = max(1, min(sticks ? 16 : 8, 1600 / max(width, height)))
        var image = PNGImage(width: width * size, height: height * size)
        let inSlice = fitted.filter { coordinates($0)[axes.z] == level }
        let fibres = (0..<DrawColumn.fibreCount).map { k in
            (
                direction: (0..<3).map { summary.column(.direction(k, axis: $0)) },
                fraction: summary.column(.statistic(.fraction(k), .mean))
            )
        }
        func fibre(_ k: Int, _ v: Int) -> (axis: SIMD3<Float>, fraction: Float) {
            let d = fibres[k].direction
            return (
                SIMD3(d[0][d[0].startIndex + v], d[1][d[1].startIndex + v], d[2][d[2].startIndex + v]),
                fibres[k].fraction[fibres[k].fraction.startIndex + v]
            )
        }
        func place(_ v: Int) -> (x: Int, y: Int) {
            let c = coordinates(v)
            return (isMirrored ? width - 1 - c[axes.x] : c[axes.x], isUpsideDown ? height - 1 - c[axes.y] : c[axes.y])
        }
        for v in inSlice {
            var colour = SIMD3<Float>()
            for k in fibres.indices {
                let (axis, fraction) = fibre(k, v)
                colour += abs(axis) * fraction
            }
            let gain: Float = sticks ? 0.6 : 1.4
            colour = pointwiseMin(colour * gain, SIMD3<Float>(repeating: 1))
            let (x, y) = place(v)
            for row in (y * size)..<((y + 1) * size) {
                for column in (x * size)..<((x + 1) * size) { image.blend(column, row, colour, coverage: 1) }
            }
        }
        guard sticks && size >= 6 else { return image }
        for v in inSlice {
            let (x, y) = place(v)
            let centre = SIMD2<Float>((Float(x) + 0.5) * Float(size) - 0.5, (Float(y) + 0.5) * Float(size) - 0.5)
            for k in fibres.indices.reversed() {
                let (axis, fraction) = fibre(k, v)
                guard fraction >= 0.05 else { continue }
                // On the screen y grows downwards, that is towards the back.
                let length = Float(size) * min(0.5, 0.15 + 0.6 * fraction)
                let half = SIMD2<Float>(axis.x * length, -axis.y * length)
                let colour: SIMD3<Float> = abs(axis) * Float(1.15) + Float(0.1)
                image.line(
                    from: centre - half, to: centre + half, width: max(1, Float(size) / 10),
                    pointwiseMin(colour, SIMD3<Float>(repeating: 1)))
            }
        }
        return image
    }

    /// Which voxel axes run nearest to the scanner's x, y and z (each once).
    static func nearestAxes(_ affine: Affine) -> (x: Int, y: Int, z: Int) {
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
        let r = affine.rotation
        func agreement(_ order: [Int]) -> Double { abs(r[order[0]]) + abs(r[3 + order[1]]) + abs(r[6 + order[2]]) }
        let best = orders.max { agreement($0) < agreement($1) }!
        return (best[0], best[1], best[2])
    }

    private static func abs(_ v: SIMD3<Float>) -> SIMD3<Float> { SIMD3(Swift.abs(v.x), Swift.abs(v.y), Swift.abs(v.z)) }
    private static func abs(_ x: Double) -> Double { Swift.abs(x) }
}
