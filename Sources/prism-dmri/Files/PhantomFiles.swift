import Diffusion
import Files
import Foundation
import Reporting
import Volumes

/// The files of a phantom: the images a scanner would give, and the truth behind them.
struct PhantomFiles {
    let phantom: Phantom
    let geometry: VolumeGeometry
    let acquisition: Acquisition
    /// Crossing angles in degrees, dealt to the voxels in turn.
    let angles: [Double]?
    /// How much the gradients deviate, if at all.
    let deviation: Double?

    /// The file written last.
    static let explanation = "truth.json"

    private var mask: Mask { Mask(geometry: geometry, indices: phantom.indices) }

    func write(to folder: String, table: GradientTable, explanation: [(key: String, value: JSONValue)]) throws {
        try VolumeWriter.write(
            folder + "/dwi.nii.gz", geometry: geometry.withTrailing([acquisition.count]), as: Float.self,
            description: "prism-dmri phantom"
        ) { volume, grid in
            phantom.measure(volume, acquisition, into: grid)
        }
        try Files.write(Data(table.fslText.bvals.utf8), to: folder + "/dwi.bval")
        try Files.write(Data(table.fslText.bvecs.utf8), to: folder + "/dwi.bvec")
        try mask.write(to: folder + "/mask.nii.gz")
        if deviation != nil {
            let a = geometry.affine
            let frame = try FrameConversion(affine3x3: (0..<3).flatMap { r in (0..<3).map { c in a[r, c] } })
            try VolumeWriter.write(
                folder + "/grad_dev.nii.gz", mask: mask, trailing: [9],
                voxelMajor: (0..<phantom.count).flatMap { phantom.gradientDeviation($0, frame) })
        }
        try FileManager.default.createDirectory(atPath: folder + "/truth", withIntermediateDirectories: true)
        for map in maps {
            try VolumeWriter.write(
                "\(folder)/truth/\(map.name).nii.gz", mask: mask, trailing: map.width == 1 ? [] : [map.width],
                voxelMajor: (0..<phantom.count).flatMap(map.values))
        }
        let structures = BallSticks().structureSpace.structures.map { z in
            "\(BallSticks.stickCount(z))-fibres" + (BallSticks.hasSpread(z) ? "+spread" : "")
                + (BallSticks.isRician(z) ? "+rician" : "+gaussian")
        }
        let text = JSONValue.object(
            explanation + [
                (
                    "model",
                    .object([
                        ("family", "ball-sticks"),
                        (
                            "signal",
                            """
                            S = s0 (f0 exp(-b d) + sum_k f_k exp(-b d (g.mu_k)^2)), f0 = 1 - sum_k f_k; where spread \
                            s > 0: exp(-x d) -> (1 + x s^2/d)^(-d^2/s^2)
                            """
                        ),
                        ("noise", "gaussian: S + sigma n1; rician: |S + sigma (n1 + i n2)|; sigma = s0/snr"),
                        ("structures", .array(structures.map { .string($0) })),
                    ])
                ),
                ("affine", .array(geometry.affine.elements.map { .number($0) })),
                ("files", .object(maps.map { ("truth/\($0.name).nii.gz", .string($0.meaning)) })),
                ("voxelsByNumberOfFibres", .array(phantom.fibreCounts.map { .integer($0) })),
            ]
        ).text
        try Files.write(Data(text.utf8), to: folder + "/" + Self.explanation)
    }

    private struct Map {
        var name: String, width = 1, meaning: String
        var values: (_ voxel: Int) -> [Float]
    }

    private var maps: [Map] {
        typealias Slot = BallSticks.Slot
        let structures = BallSticks().structureSpace
        func column(_ slot: Int) -> (Int) -> [Float] {
            return { n in
                let value = phantom.parameters[n * Slot.count + slot]
                return [value.isFinite ? Float(value) : 0]
            }
        }
        func columns(_ range: Range<Int>) -> (Int) -> [Float] {
            return { n in
                phantom.parameters[(n * Slot.count + range.lowerBound)..<(n * Slot.count + range.upperBound)].map(
                    Float.init)
            }
        }
        var maps = [
            Map(name: "nfibres", meaning: "Number of fibres, 0-3") {
                [Float(BallSticks.stickCount(phantom.structures[$0]))]
            },
            Map(name: "structure", meaning: "Position in model.structures, from 0") {
                [Float(structures.index(of: phantom.structures[$0])!)]
            },
            Map(
                name: "directions", width: 9,
                meaning:
                    """
                    x, y, z of each fibre, unit vectors in the scanner's frame (RAS), fibres by falling fraction; 0 \
                    where absent
                    """,
                values: columns(Slot.axis..<Slot.axis + 9)),
            Map(
                name: "fractions", width: 3, meaning: "Volume fractions f1 >= f2 >= f3; 0 where absent",
                values: columns(Slot.fraction..<Slot.fraction + 3)),
            Map(
                name: "diffusivity", meaning: "d, mm^2/s (mean where there is spread)", values: column(Slot.diffusivity)
            ),
            Map(
                name: "spread", meaning: "s, standard deviation of the diffusivities, mm^2/s; 0 without spread",
                values: column(Slot.spread)),
            Map(name: "snr", meaning: "s0/sigma; 0 without noise", values: column(Slot.snr)),
            Map(
                name: "s0", meaning: "Signal without diffusion weighting, in the image's units", values: column(Slot.s0)
            ),
        ]
        if let angles {
            maps.append(
                Map(name: "angle", meaning: "Angle between the two fibres, degrees") {
                    [Float(angles[phantom.indices[$0] % angles.count])]
                })
        }
        return maps
    }
}
