import Foundation
import Testing
import Volumes

@Suite(.enabled(if: SharedData.isPresent, Comment(rawValue: SharedData.absence))) struct RealDataTests {
    static let folders = [
        "nlsam-1p8mm-slab8", "nlsam-1p8mm-wholebrain", "mdt-b1k-b2k", "axsi-voxels", "dipy-small-64d", "uih-dir16-pa",
        "water-phantom",
    ]

    /// Shapes, and voxel counts as nibabel counts them.
    @Test func headersAndMasks() throws {
        let shapes = [
            [70, 96, 8, 65], [128, 128, 78, 65], [104, 104, 2, 103], [2, 2, 88, 186], [10, 10, 10, 65],
            [64, 64, 20, 17], [128, 128, 18, 45],
        ]
        let counts = [40_739, 234_691, 8_865, 255, 1_000, 19_382, 30_413]
        for ((name, shape), count) in zip(zip(Self.folders, shapes), counts) {
            let dwi = SharedData.path(name + "/dwi.nii.gz")
            let reader = try VolumeReader(path: dwi)
            #expect(reader.geometry.shape == shape)
            let mask = try Mask(path: SharedData.path(name + "/mask.nii.gz"), matching: reader.geometry, of: dwi)
            #expect(mask.count == count, "\(name)")
        }
    }

    @Test func wholeBrainStaysNearTheMaskedData() throws {
        func kilobytes(_ field: String) -> Int {
            let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
            return status.split(separator: "\n").first { $0.hasPrefix(field) }.flatMap { Int($0.filter(\.isNumber)) }
                ?? 0
        }
        let dwi = SharedData.path("nlsam-1p8mm-wholebrain/dwi.nii.gz")
        let mask = try Mask(
            path: SharedData.path("nlsam-1p8mm-wholebrain/mask.nii.gz"), matching: VolumeReader(path: dwi).geometry,
            of: dwi)
        let before = kilobytes("VmRSS")
        let clock = ContinuousClock()
        var series: MaskedSeries?
        let time = try clock.measure { series = try MaskedSeries(path: dwi, mask: mask) }
        print(
            """
            whole brain: \(series!.count) × \(series!.measurements) in \(time), resident before \(before) kB, peak \
            \(kilobytes("VmHWM")) kB, data \(series!.values.count * 4 / 1024) kB
            """
        )
        #expect(series!.values.count == 234_691 * 65 && series!.values.allSatisfy(\.isFinite))
    }

    /// Dice of the mask of last resort against the mask that came with each set.
    @Test(arguments: [
        ("nlsam-1p8mm-slab8", [64], 0.94), ("nlsam-1p8mm-wholebrain", [64], 0.94), ("mdt-b1k-b2k", [0], 0.94),
        ("uih-dir16-pa", [0], 0.94), ("water-phantom", [0], 0.94),
    ])
    func simpleMask(name: String, b0: [Int], least: Double) throws {
        let dwi = SharedData.path(name + "/dwi.nii.gz")
        let given = try Mask(
            path: SharedData.path(name + "/mask.nii.gz"), matching: VolumeReader(path: dwi).geometry, of: dwi)
        let image = try Volume(meanOf: b0, in: dwi)
        let clock = ContinuousClock()
        var mask: Mask?
        let time = try clock.measure { mask = try Mask.simple(b0: image) }
        print("\(name): Dice \(mask!.dice(given)) with \(mask!.count) voxels for \(given.count), \(time)")
        #expect(mask!.dice(given) >= least)
    }
}
