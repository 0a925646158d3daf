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

/// One slice to be shown.
struct ReportSlice: Equatable, Sendable {
    enum Plane: Int, CaseIterable, Sendable {
        case axial, coronal, sagittal
        var name: String { ["Axial", "Coronal", "Sagittal"][rawValue] }
        /// Display axis across the slice, and those that run rightwards and upwards on the screen.
        var normal: Int { [2, 1, 0][rawValue] }
        var right: Int { [0, 0, 1][rawValue] }
        var up: Int { [1, 2, 2][rawValue] }
        /// What lies to the left, right, top and bottom.
        var labels: [String] { [["L", "R", "A", "P"], ["L", "R", "S", "I"], ["P", "A", "S", "I"]][rawValue] }
    }
    var plane: Plane
    /// Display coordinate along the normal.
    var level: Int
}

/// Chooses slices and gathers their voxels.
struct ReportSlices: Sendable {
    let grid: DisplayGrid
    let slices: [ReportSlice]
    /// The box around the fitted voxels with a margin of one, in display coordinates.
    let low: [Int], high: [Int]
    /// Rank among the summary's voxels by index in the image; −1 outside or not fitted.
    private let rank: [Int32]

    /// Three slices: one in each plane, through the level with most fibre within the middle half; planes that are less
    /// than eight voxels deep give way to further slices of the others.
    init(_ summary: PosteriorSummary, geometry: VolumeGeometry) {
        let grid = DisplayGrid(geometry)
        var rank = [Int32](repeating: -1, count: geometry.voxelsPerVolume)
        var low = grid.shape, high = [-1, -1, -1]
        var fibre = grid.shape.map { [Double](repeating: 0, count: $0) }
        let fraction = summary.column(.statistic(.fractionSum, .mean))
        for v in 0..<summary.count where summary.isFitted(v) {
            rank[summary.voxels[v]] = Int32(v)
            let p = grid.position(summary.voxels[v])
            for d in 0..<3 {
                low[d] = min(low[d], p[d])
                high[d] = max(high[d], p[d])
                // Voxels count a little even without fibre.
                fibre[d][p[d]] += 0.1 + Double(fraction[fraction.startIndex + v])
            }
        }
        if high[0] < 0 { (low, high) = ([0, 0, 0], grid.shape.map { $0 - 1 }) }
        func depth(_ d: Int) -> Int { high[d] - low[d] + 1 }
        func levels(_ plane: ReportSlice.Plane, _ count: Int) -> [ReportSlice] {
            let d = plane.normal, n = depth(d)
            guard count > 1 else {
                let middle = (low[d] + n / 4)...max(low[d] + n / 4, high[d] - n / 4)
                return [ReportSlice(plane: plane, level: middle.max { fibre[d][$0] < fibre[d][$1] }!)]
            }
            let wanted = min(count, n)
            return (0..<wanted).map { ReportSlice(plane: plane, level: low[d] + (2 * $0 + 1) * n / (2 * wanted)) }
        }
        let wide = ReportSlice.Plane.allCases.filter { depth($0.right) >= 8 && depth($0.up) >= 8 }
        switch wide.count {
        case 3: slices = wide.flatMap { levels($0, 1) }
        case 1: slices = levels(wide[0], 3)
        default: slices = ReportSlice.Plane.allCases.flatMap { levels($0, 1) }
        }
        self.grid = grid
        self.rank = rank
        self.low = low.map { max(0, $0 - 1) }
        self.high = zip(high, grid.shape).map { min($1 - 1, $0 + 1) }
    }

    /// Columns and rows of a slice.
    func extent(_ slice: ReportSlice) -> (columns: Int, rows: Int) {
        (high[slice.plane.right] - low[slice.plane.right] + 1, high[slice.plane.up] - low[slice.plane.up] + 1)
    }

    /// The fitted voxel at each place of a slice, row after row from the top; nil where there is none.
    func voxels(_ slice: ReportSlice) -> [Int?] {
        let (columns, rows) = extent(slice)
        return (0..<(columns * rows)).map { i in
            var p = [0, 0, 0]
            p[slice.plane.normal] = slice.level
            p[slice.plane.right] = low[slice.plane.right] + i % columns
            p[slice.plane.up] = high[slice.plane.up] - i / columns
            let v = rank[grid.index(p)]
            return v < 0 ? nil : Int(v)
        }
    }

    /// mm, along the scanner axis nearest to the slice's normal, of the slice's middle.
    func millimetres(_ slice: ReportSlice, _ affine: Affine) -> Double {
        var p = (0..<3).map { (low[$0] + high[$0]) / 2 }
        p[slice.plane.normal] = slice.level
        var i = SIMD3<Double>()
        for d in 0..<3 { i[grid.axes[d]] = Double(grid.isReversed[d] ? grid.shape[d] - 1 - p[d] : p[d]) }
        return affine(i)[slice.plane.normal]
    }
}
