// pincer backup: copies of a home, and putting them back.
import type { BackupRoom } from "../backup.ts"
import type { CommandGroup } from "./group.ts"

async function room(): Promise<BackupRoom> {
  const { createBackup } = await import("../../backup/create.ts")
  const { verifyBackup } = await import("../../backup/verify.ts")
  const { sealOf } = await import("../../backup/seal.ts")
  const { backupFolder, listBackups, pruneBackups } = await import("../../backup/shelf.ts")
  const { restoreBackup } = await import("../../backup/restore.ts")
  const { restorePending } = await import("../../backup/restore-journal.ts")
  return { createBackup, verifyBackup, sealOf, backupFolder, listBackups, pruneBackups, restoreBackup, restorePending }
}

const SEALED = "file that holds the passphrase; otherwise PINCER_BACKUP_PASSPHRASE, or it is asked for"

export const backup: CommandGroup = (program, cli) => {
  const group = program
    .command("backup")
    .summary("copies of this home: make, verify, put back")
    .description(
      "Copies of everything that this home holds, made while the gateway runs, each read back before it counts.",
    )
  group
    .command("create")
    .description("Makes a backup: database, configuration, tokens and keys, workspaces.")
    .option("-o, --output <file>", "where to; default: the folder of backups")
    .option("--without-secrets", "leave out tokens and keys, and mask the configuration's secrets")
    .option("--without-workspace", "leave out the folders that agents work in")
    .option("--encrypt", "seal it with a passphrase")
    .option("--passphrase-file <file>", SEALED)
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer backup create --encrypt -o /mnt/stick/pincer.tar.gz.sealed")
    .action(async ({ withoutSecrets, withoutWorkspace, ...flags }) => {
      const { createBackupFile } = await import("../backup.ts")
      const parts = { secrets: withoutSecrets !== true, workspace: withoutWorkspace !== true }
      await createBackupFile(cli(), { ...flags, ...parts }, await room())
    })
  group
    .command("list")
    .alias("ls")
    .description("Lists the backups there are, newest first.")
    .option("--json", "print them as JSON")
    .addHelpText("after", "\nExample:\n  pincer backup list")
    .action(async (flags) => {
      const { listBackupFiles } = await import("../backup.ts")
      await listBackupFiles(cli(), flags, await room())
    })
  group
    .command("status")
    .description("Says which backup is the newest and where they are.")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  pincer backup status")
    .action(async (flags) => {
      const { showBackupStatus } = await import("../backup.ts")
      await showBackupStatus(cli(), flags, await room())
    })
  group
    .command("verify")
    .argument("[backup]", 'a file, a name that list shows, or "latest"', "latest")
    .description(
      "Unpacks a backup aside, compares every file, looks through its database. Exit code 1 when it is damaged.",
    )
    .option("--passphrase-file <file>", SEALED)
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer backup verify latest")
    .action(async (given: string, flags) => {
      const { verifyBackupFile } = await import("../backup.ts")
      await verifyBackupFile(cli(), given, flags, await room())
    })
  group
    .command("restore")
    .argument("<backup>", 'a file, a name that list shows, "latest", or a folder that an earlier restore kept')
    .description(
      "Puts a backup back, while no gateway runs. What is there now is kept aside; a crash leaves old or new, never half.",
    )
    .option("--passphrase-file <file>", SEALED)
    .option("-y, --yes", "do not ask")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer gateway stop && pincer backup restore latest")
    .action(async (given: string, flags) => {
      const { restoreBackupFile } = await import("../backup.ts")
      await restoreBackupFile(cli(), given, flags, await room())
    })
  group
    .command("prune")
    .description("Deletes old backups. Copies from before a change of schema are counted on their own.")
    .option("--keep <number>", "how many stay; default: backup.keep of the configuration")
    .option("--dry-run", "only say which")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", "\nExample:\n  pincer backup prune --keep 5")
    .action(async (flags) => {
      const { pruneBackupFiles } = await import("../backup.ts")
      await pruneBackupFiles(cli(), flags, await room())
    })
}
