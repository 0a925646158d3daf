import Foundation
import Inference
import Volumes

/// Fibre orientations in three planes, in the customary colours: red left–right, green front–back, blue up–down,
/// brightness by fraction.
///
/// Axial, coronal and sagittal slices through the level with most fibre, cropped to the fitted voxels, at one scale;
/// the subject's left is on the left, front or top is up. Sides (L, R, A, P, S, I) and the slices' places in mm are
/// written beside them, and a key of colours by direction. Planes that are less than three voxels high are left out.
public enum OrientationPicture {
    private static let margin = 34, gap = 26, label = 2

    /// One slice: where it lies in the picture.
    private struct Plane {
        var right: Int, up: Int, normal: Int, letters: [String], axis: String, level: Int
        var x = 0, y = 0, width = 0, height = 0
    }

    /// Draws the picture.
    /// - Parameter sticks: whether each fibre of mean fraction ≥ 0.05 is drawn as a line of length in proportion to its
    ///   fraction.
    public static func draw(_ summary: PosteriorSummary, geometry: VolumeGeometry, sticks: Bool = true) -> PNGImage {
        let grid = DisplayGrid(geometry)
        let fitted = (0..<summary.count).filter(summary.isFitted)
        let positions = fitted.map { grid.position(summary.voxels[$0]) }
        guard !positions.isEmpty else { return PNGImage(width: 64, height: 64) }
        let low = (0..<3).map { d in positions.map { $0[d] }.min()! },
            high = (0..<3).map { d in positions.map { $0[d] }.max()! }
        let volume = ReportVolume(summary, geometry: geometry, step: 1)
        let levels = (0..<3).map { volume.low[$0] + volume.opening[$0] }
        var planes = [
            Plane(right: 0, up: 1, normal: 2, letters: ["L", "R", "A", "P"], axis: "z", level: levels[2]),
            Plane(right: 0, up: 2, normal: 1, letters: ["L", "R", "S", "I"], axis: "y", level: levels[1]),
            Plane(right: 1, up: 2, normal: 0, letters: ["P", "A", "S", "I"], axis: "x", level: levels[0]),
        ].filter { high[$0.right] - low[$0.right] > 1 && high[$0.up] - low[$0.up] > 1 }
        if planes.isEmpty {
            planes = [Plane(right: 0, up: 1, normal: 2, letters: ["L", "R", "A", "P"], axis: "z", level: levels[2])]
        }
        // Pixels a millimetre: voxels of some 14 pixels, unless the planes side by side become too wide.
        func millimetres(_ d: Int) -> Double { Double(high[d] - low[d] + 1) * grid.size[d] }
        let wide = planes.reduce(0) { $0 + millimetres($1.right) }, finest = grid.size.min()!
        let scale = max(
            1.5 / finest, min((sticks ? 14 : 8) / finest, 2400 / wide, 1800 / planes.map { millimetres($0.up) }.max()!))
        // Side by side; flat ones, of scans of few slices, one under the other.
        var x = margin, flatTop = margin
        let below = margin + 24
        for i in planes.indices {
            let width = millimetres(planes[i].right), height = millimetres(planes[i].up)
            planes[i].width = max(1, Int((width * scale).rounded()))
            planes[i].height = max(1, Int((height * scale).rounded()))
            (planes[i].x, planes[i].y) = (x, margin)
            if i > 0, width > 3 * height {
                planes[i].y = flatTop
                flatTop += planes[i].height + below + margin
            } else {
                x += planes[i].width + gap + margin
            }
        }
        let keySize = 72, right = planes.map { $0.x + $0.width }.max()!, bottom = planes.map { $0.y + $0.height }.max()!
        let width = right + gap + margin + keySize + margin
        var image = PNGImage(width: width, height: max(bottom, margin + keySize) + below + margin)
        let painter = Painter(summary, grid: grid, low: low, high: high, scale: scale)
        for plane in planes {
            painter.paint(
                fitted, positions, plane.normal, plane.level, right: plane.right, up: plane.up, x: plane.x, y: plane.y,
                sticks: sticks, in: &image)
            write(plane, geometry, grid, in: &image)
        }
        key(in: &image, x: image.width - keySize - margin, y: margin, size: keySize)
        return image
    }

    private static func write(_ plane: Plane, _ geometry: VolumeGeometry, _ grid: DisplayGrid, in image: inout PNGImage)
    {
        let colour = SIMD3<Float>(repeating: 0.92), half = PictureFont.height * label / 2
        let middle = plane.y + plane.height / 2 - half,
            centre = plane.x + plane.width / 2 - PictureFont.width("A") * label / 2
        for (letter, x, y) in [
            (plane.letters[0], plane.x - 20, middle), (plane.letters[1], plane.x + plane.width + 10, middle),
            (plane.letters[2], centre, plane.y - 22), (plane.letters[3], centre, plane.y + plane.height + 8),
        ] { PictureFont.draw(letter, in: &image, x: x, y: y, scale: label, colour) }
        let mm = millimetres(plane.normal, plane.level, geometry, grid)
        PictureFont.draw(
            "\(plane.axis) = \(mm) mm", in: &image, x: plane.x, y: plane.y + plane.height + 30, scale: label, colour)
    }

    /// mm along the scanner axis nearest to the display axis, at the middle of the grid.
    static func millimetres(_ axis: Int, _ level: Int, _ geometry: VolumeGeometry, _ grid: DisplayGrid) -> Int {
        var p = grid.shape.map { $0 / 2 }
        p[axis] = level
        var i = SIMD3<Double>()
        for d in 0..<3 { i[grid.axes[d]] = Double(grid.isReversed[d] ? grid.shape[d] - 1 - p[d] : p[d]) }
        return Int(geometry.affine(i)[axis].rounded())
    }

    /// Colours of directions seen from the front of the picture: right–left across, front–back or up–down upwards, and
    /// the third towards the reader.
    private static func key(in image: inout PNGImage, x: Int, y: Int, size: Int) {
        for row in 0..<size {
            for column in 0..<size {
                let u = (Float(column) + 0.5) / Float(size) * 2 - 1, v = 1 - (Float(row) + 0.5) / Float(size) * 2
                let square = u * u + v * v
                guard square <= 1 else { continue }
                let w = (1 - square).squareRoot()
                image.blend(
                    x + column, y + row, SIMD3(abs(u), abs(v), w),
                    coverage: min(1, (1 - square.squareRoot()) * Float(size) / 2))
            }
        }
        let colour = SIMD3<Float>(repeating: 0.92), middle = y + size / 2 - PictureFont.height * label / 2
        let centre = x + size / 2 - PictureFont.width("A") * label / 2
        for (letter, a, b) in [
            ("L", x - 16, middle), ("R", x + size + 6, middle), ("A", centre, y - 20), ("P", centre, y + size + 6),
        ] {
            PictureFont.draw(letter, in: &image, x: a, y: b, scale: label, colour)
        }
    }

    /// Paints slices of one summary.
    private struct Painter {
        let grid: DisplayGrid, low: [Int], high: [Int], scale: Double
        private let axes: [[ArraySlice<Float>]], fractions: [ArraySlice<Float>]

        init(_ summary: PosteriorSummary, grid: DisplayGrid, low: [Int], high: [Int], scale: Double) {
            (self.grid, self.low, self.high, self.scale) = (grid, low, high, scale)
            axes = (0..<DrawColumn.fibreCount).map { k in (0..<3).map { summary.column(.direction(k, axis: $0)) } }
            fractions = (0..<DrawColumn.fibreCount).map { summary.column(.statistic(.fraction($0), .mean)) }
        }

        private func fibre(_ k: Int, _ v: Int) -> (axis: SIMD3<Float>, fraction: Float) {
            let a = axes[k], f = fractions[k]
            return (
                SIMD3(a[0][a[0].startIndex + v], a[1][a[1].startIndex + v], a[2][a[2].startIndex + v]),
                f[f.startIndex + v]
            )
        }

        func paint(
            _ fitted: [Int], _ positions: [[Int]], _ normal: Int, _ level: Int, right: Int, up: Int, x: Int, y: Int,
            sticks: Bool, in image: inout PNGImage
        ) {
            let w = grid.size[right] * scale, h = grid.size[up] * scale
            let inSlice = zip(fitted, positions).filter { $1[normal] == level }
            for (v, p) in inSlice {
                var colour = SIMD3<Float>()
                for k in fractions.indices {
                    let (axis, fraction) = fibre(k, v)
                    colour += magnitude(axis) * fraction
                }
                colour = pointwiseMin(colour * (sticks ? 0.6 : 1.4), SIMD3<Float>(repeating: 1))
                let left = Double(p[right] - low[right]) * w, top = Double(high[up] - p[up]) * h
                for row in (y + Int(top.rounded()))..<(y + max(Int((top + h).rounded()), Int(top.rounded()) + 1)) {
                    for column
                        in (x + Int(left.rounded()))..<(x + max(Int((left + w).rounded()), Int(left.rounded()) + 1))
                    {
                        image.blend(column, row, colour, coverage: 1)
                    }
                }
            }
            guard sticks && min(w, h) >= 6 else { return }
            for (v, p) in inSlice {
                let centre = SIMD2<Float>(
                    Float(Double(x) + (Double(p[right] - low[right]) + 0.5) * w - 0.5),
                    Float(Double(y) + (Double(high[up] - p[up]) + 0.5) * h - 0.5))
                for k in fractions.indices.reversed() {
                    let (axis, fraction) = fibre(k, v)
                    guard fraction >= 0.05 else { continue }
                    // On the screen y grows downwards.
                    let length = Float(min(w, h)) * min(0.5, 0.15 + 0.6 * fraction)
                    let half = SIMD2<Float>(axis[right] * length, -axis[up] * length)
                    let colour: SIMD3<Float> = magnitude(axis) * Float(1.15) + Float(0.1)
                    image.line(
                        from: centre - half, to: centre + half, width: max(1, Float(min(w, h)) / 10),
                        pointwiseMin(colour, SIMD3<Float>(repeating: 1)))
                }
            }
        }
    }

    /// Which voxel axes run nearest to the scanner's x, y and z (each once).
    static func nearestAxes(_ affine: Affine) -> (x: Int, y: Int, z: Int) {
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
        let r = affine.rotation
        func agreement(_ order: [Int]) -> Double { abs(r[order[0]]) + abs(r[3 + order[1]]) + abs(r[6 + order[2]]) }
        let best = orders.max { agreement($0) < agreement($1) }!
        return (best[0], best[1], best[2])
    }
}

private func magnitude(_ v: SIMD3<Float>) -> SIMD3<Float> { SIMD3(abs(v.x), abs(v.y), abs(v.z)) }
