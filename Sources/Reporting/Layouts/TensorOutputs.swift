import Files
import Foundation
import Inference
import Volumes

/// `dti/`: `dti_FA`, `dti_MD` and `dti_V1` under dtifit's names and in FSL's frame, with `dti.json`.
///
/// They come from the scan itself, not from the posterior: a fit makes them, and what goes on from it copies them.
public enum TensorOutputs {
    private static let folder = "dti", names = ["dti_FA.nii.gz", "dti_MD.nii.gz", "dti_V1.nii.gz", "dti.json"]

    /// Writes the maps of a mask's voxels below `directory`.
    /// - Throws: `VolumeError`.
    public static func write(_ tensor: TensorMaps, mask: Mask, directory: String, description: String) throws {
        let place = directory + "/" + folder + "/", frame = DirectionConversion(to: .fsl, of: mask.geometry.affine)
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        func map(_ name: String, _ meaning: ImageMeaning, _ values: [Float]) throws {
            try VolumeWriter.write(
                place + name, mask: mask, as: Float.self, description: description, meaning: meaning
            ) { _, buffer in
                for v in buffer.indices { buffer[v] = values[v] }
            }
        }
        try map(names[0], .fraction, tensor.anisotropy)
        // Free water at body temperature.
        try map(names[1], ImageMeaning(.estimate, window: 0...3e-3), tensor.meanDiffusivity)
        try VolumeWriter.write(
            place + names[2], mask: mask, trailing: [3], as: Float.self, description: description
        ) { t, buffer in
            for v in buffer.indices { buffer[v] = frame(tensor.axis[v])[t] }
        }
        let sidecar: JSONValue = [
            "Description": .string(
                """
                Diffusion tensor by weighted least squares on log signals, two passes, volumes up to 1600 s/mm^2 where \
                these have six directions: fractional anisotropy, mean diffusivity (mm^2/s) and first eigenvector \
                (FSL's frame). Of the scan itself; nothing of the posterior is in it.
                """)
        ]
        try Files.write(Data(sidecar.text.utf8), to: place + names[3])
    }

    /// Copies the maps from the first of the folders that has them.
    public static func copy(from folders: [String], to directory: String) throws {
        let manager = FileManager.default
        guard let source = folders.first(where: { manager.fileExists(atPath: "\($0)/\(folder)/\(names[0])") }) else {
            return
        }
        try manager.createDirectory(atPath: directory + "/" + folder, withIntermediateDirectories: true)
        for name in names where manager.fileExists(atPath: "\(source)/\(folder)/\(name)") {
            try manager.copyItem(atPath: "\(source)/\(folder)/\(name)", toPath: "\(directory)/\(folder)/\(name)")
        }
    }
}
