import Diffusion
import Files
import Foundation
import Inference
import ModelSpace
import Reporting
import Testing
import Volumes

struct TensorTests {
    /// Voxels of known tensors: eigenvalues in mm²/s with a random first axis; signals of S0 = 1000 with noise.
    private struct Scan {
        let acquisition: Acquisition, geometry: VolumeGeometry
        var signals: [Float] = [], truth: [(values: SIMD3<Double>, axis: SIMD3<Double>)] = []

        init(sigma: Double) throws {
            var random = RandomSource(seed: 4)
            func unit() -> SIMD3<Double> {
                let v = SIMD3(random.normal(), random.normal(), random.normal())
                return v / (v * v).sum().squareRoot()
            }
            let b = [0, 0, 0] + Array(repeating: 1000.0, count: 30) + Array(repeating: 3000, count: 10)
            let directions = b.map { $0 == 0 ? .zero : unit() }
            acquisition = try Acquisition(bValues: b, directions: directions)
            geometry = VolumeGeometry(
                shape: [10, 10, 1], affine: Affine(rows: [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0]))
            for _ in 0..<100 {
                let axis = unit(), first = random.uniform(0.8e-3, 2.4e-3), other = random.uniform(0.2e-3, 0.7e-3)
                truth.append((SIMD3(first, other, other), axis))
                for (k, g) in zip(b, directions) {
                    let c = (g * axis).sum(), d = (g * g).sum() * other + (first - other) * c * c
                    signals.append(Float(1000 * exp(-k * d) + sigma * random.normal()))
                }
            }
        }

        func maps() throws -> TensorMaps {
            try #require(
                TensorMaps(signals: signals, acquisition: acquisition, rules: SignalRules(), threads: 2))
        }
    }

    /// Without noise the tensor comes back, whatever lies beyond b = 1600.
    @Test func exactWithoutNoise() throws {
        let scan = try Scan(sigma: 0), maps = try scan.maps()
        for (v, (values, axis)) in scan.truth.enumerated() {
            let mean = values.sum() / 3, off = values - mean
            let fa = (1.5 * (off * off).sum() / (values * values).sum()).squareRoot()
            #expect(
                abs(Double(maps.meanDiffusivity[v]) - mean) < 1e-3 * mean && abs(Double(maps.anisotropy[v]) - fa) < 1e-3
            )
            #expect(abs((SIMD3<Double>(maps.axis[v]) * axis).sum()) > 0.99999)
        }
        let five = try Acquisition(
            bValues: [0] + Array(repeating: 1000, count: 5),
            directions: [.zero] + Array(scan.acquisition.directions[3..<8]))
        #expect(TensorMaps(signals: [1, 1, 1, 1, 1, 1], acquisition: five, rules: SignalRules(), threads: 1) == nil)
    }

    /// MRtrix3's own weighted fit of the same volumes.
    @Test(.enabled(if: Tool.hasMRtrix, "MRtrix3 is not installed")) func asMRtrix() throws {
        let scan = try Scan(sigma: 25), maps = try scan.maps(), m = scan.acquisition.count
        let folder = try OutputFolder("tensor"), low = (0..<m).filter { scan.acquisition.bValues[$0] < 2000 }
        let mask = Mask(geometry: scan.geometry, indices: Array(0..<100))
        try VolumeWriter.write(folder.path + "/dwi.nii", mask: mask, trailing: [low.count], as: Float.self) {
            t, buffer in
            for v in 0..<100 { buffer[v] = scan.signals[v * m + low[t]] }
        }
        let table = GradientTable(
            bValues: low.map { scan.acquisition.bValues[$0] }, vectors: low.map { scan.acquisition.directions[$0] },
            frame: .scanner)
        try Files.write(Data(table.mrtrixText.utf8), to: folder.path + "/grad.b")
        let (status, output) = try Tool.run(
            """
            dwi2tensor -quiet -grad grad.b dwi.nii tensor.mif && \
            tensor2metric -quiet tensor.mif -fa fa.nii -adc md.nii -vector v1.nii -num 1 -modulate none
            """, in: folder.path)
        #expect(status == 0, "\(output)")
        let fa = try readAll(folder.path + "/fa.nii").values, md = try readAll(folder.path + "/md.nii").values
        let v1 = try readAll(folder.path + "/v1.nii").values
        for v in 0..<100 {
            #expect(abs(fa[v] - maps.anisotropy[v]) < 0.005 && abs(md[v] - maps.meanDiffusivity[v]) < 5e-6)
            let theirs = SIMD3(v1[v], v1[100 + v], v1[200 + v])
            if fa[v] > 0.3 { #expect(abs((theirs * maps.axis[v]).sum()) > 0.9995) }
        }
        // dtifit's names, in FSL's frame: det(affine) > 0 here, so that x is mirrored.
        try TensorOutputs.write(maps, mask: mask, directory: folder.path, description: "")
        let first = try readAll(folder.path + "/dti/dti_V1.nii.gz").values
        for v in 0..<100 {
            let axis = maps.axis[v]
            #expect(abs(first[v] + axis.x) < 1e-5 && abs(first[200 + v] - axis.z) < 1e-5)
        }
    }
}
