// Which methods the gateways know whose clients Pincer serves, and why some of them are not in our table: docs/protocol-coverage.md.
// Whether a method is there follows from the table itself; a test fails where one is neither there nor accounted for.
import { methodNames } from "../src/gateway/methods/index.ts"

/** The original gateway with protocol 4, what its schema names and what it announces. */
const PROTOCOL_4 = `
agent agent.identity.get agent.wait agents.create agents.delete agents.files.get agents.files.list agents.files.set agents.list
agents.update agents.workspace.get agents.workspace.list approval.get approval.history approval.resolve artifacts.download
artifacts.get artifacts.list assistant.media.get attach.grant attach.revoke audit.activity.list audit.list audit.run.inspect
board.action board.data.read board.event board.get board.prompt.authorize board.update board.widget.appView board.widget.grant
board.widget.put browser.request canvas.document.preview canvas.document.view channels.logout channels.pairing.approve
channels.pairing.dismiss channels.pairing.list channels.start channels.status channels.stop chat.abort chat.history chat.inject
chat.message.get chat.metadata chat.send chat.startup chat.toolTitles claws.monitors claws.packages.remove commands.list
computer.invoke computer.status config.apply config.get config.openFile config.patch config.schema config.schema.lookup config.set
connect controlUi.githubDetail controlUi.githubPreview controlUi.linkPreview controlUi.sessionPreview
controlUi.sessionPullRequests.checks controlUi.sessionPullRequests.subscribe conversations.list conversations.send
conversations.turn conversations.turn.cancel cron.add cron.get cron.list cron.remove cron.run cron.runs cron.scratch.get
cron.scratch.set cron.status cron.update desktop.launch desktop.observe desktop.release device.pair.approve device.pair.list
device.pair.reject device.pair.remove device.pair.rename device.pair.setupCode device.pair.setupStatus
device.scopes.requestUpgrade device.scopes.waitUpgrade device.token.revoke device.token.rotate diagnostics.cpuProfile
diagnostics.heapProfile diagnostics.lanes diagnostics.stability doctor.memory.backfillDreamDiary doctor.memory.dedupeDreamDiary
doctor.memory.dreamDiary doctor.memory.repairDreamingArtifacts doctor.memory.resetDreamDiary doctor.memory.resetGroundedShortTerm
doctor.memory.status environments.create environments.destroy environments.list environments.prepare environments.session.create
environments.session.destroy environments.session.exec environments.session.status environments.status exec.approval.get
exec.approval.grants.list exec.approval.grants.revoke exec.approval.list exec.approval.request exec.approval.resolve
exec.approval.waitDecision exec.approvals.get exec.approvals.node.get exec.approvals.node.set exec.approvals.set fs.listDir
gateway.identity.get gateway.restart.preflight gateway.restart.request gateway.suspend.handoff gateway.suspend.prepare
gateway.suspend.resume gateway.suspend.status github.detail github.image github.preview health hooks.status last-heartbeat
logs.tail mcp.app.callTool mcp.app.listResourceTemplates mcp.app.listResources mcp.app.listTools mcp.app.readResource
mcp.app.updateModelContext mcp.app.view memory.search memory.sessionBackfill.apply memory.sessionBackfill.preview
memory.sessionBackfill.rollback mentions.dismiss mentions.list message.action migrations.memory.apply migrations.memory.plan
models.authLogin models.authLogout models.authOrderSet models.authRefresh models.authSetApiKey models.authStatus models.list
models.probe nativeHook.invoke node.describe node.event node.invoke node.invoke.progress node.invoke.result node.list
node.pair.approve node.pair.list node.pair.reject node.pair.remove node.pending.ack node.pending.drain node.pending.enqueue
node.pending.pull node.pluginSurface.refresh node.pluginTools.update node.rename node.runnerInventory.update node.skills.update
openclaw.approval.list openclaw.changes.list openclaw.chat openclaw.chat.history openclaw.setup.activate
openclaw.setup.activate.start openclaw.setup.auth.start openclaw.setup.detect openclaw.setup.prepare.start openclaw.setup.verify
plugin.approval.list plugin.approval.request plugin.approval.resolve plugin.approval.waitDecision plugin.surface.refresh
plugins.catalog.browse plugins.catalog.categories plugins.catalog.get plugins.controlUi.list plugins.controlUi.reload
plugins.controlUi.report plugins.controlUi.status plugins.credentials.inspect plugins.inspect plugins.install plugins.list
plugins.refresh plugins.reload plugins.search plugins.sessionAction plugins.setEnabled plugins.skills.read plugins.uiDescriptors
plugins.uninstall poll portal.close portal.list portal.open progressCard.get progressCard.put progressCard.refresh projects.add
projects.list projects.register projects.remove projects.searchRemote push.test push.web.preferences.get push.web.preferences.set
push.web.subscribe push.web.test push.web.unsubscribe push.web.vapidPublicKey question.get question.list question.request
question.resolve question.waitAnswer secrets.reload secrets.resolve secrets.store.delete secrets.store.list secrets.store.set send
session.discussion.info session.discussion.open session.members.add session.members.list session.members.listEvidence
session.members.remove session.publicShare.set session.suggestions.add session.suggestions.list session.suggestions.resolve
session.typing session.visibility.set sessions.abort sessions.activitySummary.ensure sessions.assignOwner sessions.branches.list
sessions.branches.switch sessions.catalog.archive sessions.catalog.continue sessions.catalog.list sessions.catalog.read
sessions.catalog.startTerminal sessions.cleanup sessions.compact sessions.compaction.branch sessions.compaction.list
sessions.compaction.restore sessions.companion.ask sessions.companion.reset sessions.companion.state sessions.create
sessions.delete sessions.describe sessions.diff sessions.dispatch sessions.files.get sessions.files.list sessions.files.reveal
sessions.files.set sessions.fork sessions.get sessions.github.confirm sessions.github.options sessions.github.publish
sessions.github.status sessions.goal.clear sessions.goal.update sessions.groups.defaults sessions.groups.delete
sessions.groups.list sessions.groups.put sessions.groups.rename sessions.groups.update sessions.list sessions.messages.subscribe
sessions.messages.unsubscribe sessions.move sessions.observer.visibility sessions.patch sessions.patchMany sessions.pluginPatch
sessions.preview sessions.providerReview.continue sessions.reclaim sessions.recover sessions.reset sessions.resolve
sessions.rewind sessions.search sessions.send sessions.setInvolvement sessions.steer sessions.storage.run sessions.storage.status
sessions.subscribe sessions.title.prepare sessions.usage sessions.usage.logs sessions.usage.timeseries sessions.viewers.set
set-heartbeats skills.bins skills.curator.pin skills.curator.restore skills.curator.status skills.curator.unpin skills.detail
skills.install skills.library.activate skills.library.import skills.library.list skills.library.mutate skills.library.read
skills.library.save skills.library.upload skills.proposals.apply skills.proposals.create skills.proposals.evaluate
skills.proposals.events.list skills.proposals.historyScan skills.proposals.historyStatus skills.proposals.inspect
skills.proposals.list skills.proposals.quarantine skills.proposals.reject skills.proposals.requestRevision skills.proposals.revise
skills.proposals.update skills.search skills.securityVerdicts skills.skillCard skills.status skills.update skills.upload.begin
skills.upload.chunk skills.upload.commit skills.workshop.read status system-event system-presence system.info talk.catalog
talk.client.close talk.client.create talk.client.steer talk.client.toolCall talk.client.transcript talk.config talk.mode
talk.session.acknowledgeMark talk.session.appendAudio talk.session.cancelOutput talk.session.close talk.session.create
talk.session.steer talk.session.submitToolResult talk.speak talk.voice.complete talk.voice.get talk.voice.set
taskSuggestions.accept taskSuggestions.create taskSuggestions.dismiss taskSuggestions.list tasks.cancel tasks.dismiss tasks.get
tasks.history tasks.list tasks.retry terminal.attach terminal.close terminal.input terminal.list terminal.open terminal.resize
terminal.upload themes.get themes.import themes.list themes.set tools.catalog tools.effective tools.github.authorize.cancel
tools.github.authorize.poll tools.github.authorize.start tools.github.configure tools.github.status tools.invoke
transcripts.export transcripts.get transcripts.list transcripts.status transcripts.summarize tts.convert tts.disable tts.enable
tts.personas tts.providers tts.setPersona tts.setProvider tts.speak tts.status ui.command update.hold update.report update.run
update.runs.get update.runs.list update.status usage.cost usage.status users.authConnect.answer users.authConnect.cancel
users.authConnect.catalog users.authConnect.start users.authConnect.status users.github.authorize.cancel
users.github.authorize.poll users.github.authorize.start users.github.disconnect users.github.status users.linkAuthProfile
users.linkChannelIdentity users.linkEmail users.list users.listAuthLinks users.listChannelIdentities users.listModelAccounts
users.mentionable users.prefs.get users.prefs.set users.selectModelAccount users.self users.setAvatar users.setDisplayName
users.setRole users.unlinkAuthProfile users.unlinkChannelIdentity voicewake.get voicewake.routing.get voicewake.set wake
web.login.start web.login.wait webSearch.status webSearch.test wizard.cancel wizard.next wizard.start wizard.status
worker.desktop.launch worker.desktop.observe worktrees.branches worktrees.create worktrees.gc worktrees.list worktrees.remove
worktrees.restore
`

/** The same with protocol 3. */
const PROTOCOL_3 = `
agent agent.identity.get agent.wait agents.list browser.request channels.logout channels.status chat.abort chat.history
chat.inject chat.send config.apply config.get config.patch config.schema config.set cron.add cron.list cron.remove cron.run
cron.runs cron.status cron.update device.pair.approve device.pair.list device.pair.reject device.token.revoke device.token.rotate
exec.approval.request exec.approval.resolve exec.approvals.get exec.approvals.node.get exec.approvals.node.set exec.approvals.set
health last-heartbeat logs.tail models.list node.describe node.event node.invoke node.invoke.result node.list node.pair.approve
node.pair.list node.pair.reject node.pair.request node.pair.verify node.rename poll send sessions.compact sessions.delete
sessions.list sessions.patch sessions.preview sessions.reset sessions.resolve set-heartbeats skills.bins skills.install
skills.status skills.update status system-event system-presence talk.mode tts.convert tts.disable tts.enable tts.providers
tts.setProvider tts.status update.run usage.cost usage.status voicewake.get voicewake.set wake web.login.start web.login.wait
wizard.cancel wizard.next wizard.start wizard.status
`

/** The simple dialect. */
const SIMPLE = `
agents.add agents.bindings agents.list agents.remove backup.export backup.status browser.click browser.close browser.createProfile
browser.deleteProfile browser.evaluate browser.focus browser.navigate browser.open browser.profiles browser.screenshot
browser.snapshot browser.start browser.status browser.stop browser.tabs browser.type channels.list channels.status chat.abort
chat.edit chat.history chat.resend chat.send config.get config.patch config.set cron.add cron.history cron.list cron.remove
cron.toggle device.complete device.initiate device.pair.approve device.pair.code device.pair.list doctor.run exec.approve
exec.create exec.deny exec.get exec.list health logs.tail models.list models.probe models.providers plan.delete plan.get plan.list
plan.resume push.send secrets.reload sessions.cleanup sessions.create sessions.delete sessions.get sessions.list sessions.preview
sessions.reset skills.list status system.event system.heartbeat.last system.info system.logs system.presence tools.catalog
tools.exec_approve tools.list tts.speak tts.voices update.check usage.daily usage.get usage.hourly usage.sessions voicewake.status
web.status wizard.start wizard.step
`

const LATER = "comes with its room"
const NO_PLUGINS = "the original's plug-ins; ours are MCP servers"
const ONE_OWNER = "people of a shared gateway; this one has one owner, and devices with scopes"
const SERVICE = "a service of the original's makers"
const OWN_APP = "belongs to the original's own application"

/** By the beginning of the name, the first that fits. */
const REASONS: readonly (readonly [begins: string, why: string])[] = [
  ["browser.", `the browser: ${LATER}`],
  ["channels.", `channels: ${LATER}`],
  ["conversations.", `channels: ${LATER}`],
  ["message.action", `channels: ${LATER}`],
  ["poll", `channels: ${LATER}; a session has no polls, its agent has questions (question.*)`],
  ["web.login.", `channels: ${LATER}`],
  ["skills.", `skills: ${LATER}`],
  ["node.", `nodes: ${LATER}`],
  ["exec.approvals.node.", `nodes: ${LATER}`],
  ["system.execApprovals", `nodes: ${LATER}`],
  ["computer.", `nodes: ${LATER}`],
  ["desktop.", `nodes: ${LATER}`],
  ["canvas.", `nodes: ${LATER}`],
  ["assistant.media.", `media: ${LATER}`],
  ["tts.", `speech: ${LATER}`],
  ["talk.", `speech: ${LATER}`],
  ["voicewake.", `speech: ${LATER}`],
  ["push.", `push messages: ${LATER}`],
  ["memory.", `memory: ${LATER}`],
  ["doctor.memory.", `memory: ${LATER}`],
  ["migrations.memory.", `memory: ${LATER}`],
  ["sessions.viewers.", ONE_OWNER],
  ["sessions.assignOwner", ONE_OWNER],
  ["sessions.setInvolvement", ONE_OWNER],
  ["sessions.observer.", ONE_OWNER],
  ["session.", ONE_OWNER],
  ["users.", ONE_OWNER],
  ["mentions.", ONE_OWNER],
  ["sessions.catalog.", "sessions of agents of others: they are hosted over ACP, agents.probe and session.options"],
  ["sessions.companion.", "a second model that comments on a session"],
  ["sessions.activitySummary.", "a second model that comments on a session"],
  ["sessions.title.", "titles are the first words, or what an external agent says (session.changed)"],
  ["sessions.goal.", "plans (plan.*) hold what an agent means to do"],
  ["sessions.providerReview.", SERVICE],
  ["sessions.github.", "GitHub: git and gh run as commands of an agent"],
  ["tools.github.", "GitHub: git and gh run as commands of an agent"],
  ["github.", "GitHub: git and gh run as commands of an agent"],
  ["controlUi.", OWN_APP],
  ["sessions.dispatch", "one gateway has all its sessions itself"],
  ["sessions.move", "one gateway has all its sessions itself"],
  ["sessions.reclaim", "one gateway has all its sessions itself"],
  ["sessions.recover", "turns that were cut off go on by themselves after a restart"],
  ["sessions.files.reveal", "opens a window on the gateway's machine, which may have none"],
  ["config.openFile", "opens a window on the gateway's machine, which may have none: pincer config edit"],
  ["sessions.storage.", "sessions lie in one database: backup.*, sessions.cleanup"],
  ["sessions.pluginPatch", NO_PLUGINS],
  ["sessions.usage.logs", "each turn's usage is in turn.list and session.events"],
  ["plugins.", NO_PLUGINS],
  ["plugin.", NO_PLUGINS],
  ["nativeHook.", NO_PLUGINS],
  ["hooks.", NO_PLUGINS],
  ["claws.", SERVICE],
  ["openclaw.", "the original's set-up assistant: wizard.*, doctor.run"],
  ["board.", OWN_APP],
  ["ui.", OWN_APP],
  ["themes.", OWN_APP],
  ["portal.", OWN_APP],
  ["progressCard.", OWN_APP],
  ["projects.", OWN_APP],
  ["taskSuggestions.", OWN_APP],
  ["artifacts.", "what agents make are files: sessions.files.*"],
  ["fs.", "sessions.files.list and agents.workspace.list show folders, within what the owner named"],
  ["transcripts.", "session.export, session.events"],
  ["tasks.", "job.delete removes what has ended; job.list has the history"],
  ["environments.", "agents run on this machine, in its sandbox"],
  ["worker.", "agents run on this machine, in its sandbox"],
  ["worktrees.", "agents make worktrees with git; a session works where it is told (cwd)"],
  ["terminal.", "a shell for whoever holds the token is a door that is not opened"],
  ["attach.", "client.lend lends an editor to a session"],
  ["mcp.app.", "applications within MCP servers: mcp.resources.*, mcp.prompts.*"],
  ["models.auth", "keys are secret references in the configuration: config.set, secrets.reload"],
  ["secrets.", "keys are secret references in the configuration: config.set, secrets.reload"],
  ["webSearch.", "the search service is a setting (config.get), its tool is in tools.catalog"],
  ["diagnostics.", "node --cpu-prof and --heap-prof: a profile over the wire would hold secrets"],
  ["gateway.suspend.", "gateway.restart.preflight and gateway.restart.request"],
  ["update.hold", "updates are only made when somebody asks"],
  ["update.report", SERVICE],
  ["audit.run.inspect", "session.events, turn.list and audit.list hold it"],
]

export interface Coverage {
  name: string
  where: readonly string[]
  /** Undefined when it is in the table. */
  absent?: string
}

const NOT_ACCOUNTED = "?"

/** Every method of the three documents, by name. */
export function coverage(): Coverage[] {
  const lists: readonly (readonly [string, string])[] = [
    ["protocol 3", PROTOCOL_3],
    ["protocol 4", PROTOCOL_4],
    ["simple", SIMPLE],
  ]
  const where = new Map<string, string[]>()
  for (const [list, text] of lists)
    for (const name of text.trim().split(/\s+/)) where.set(name, [...(where.get(name) ?? []), list])
  const ours = new Set(methodNames())
  return [...where]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, where]) => {
      if (ours.has(name)) return { name, where }
      return { name, where, absent: REASONS.find(([begins]) => name.startsWith(begins))?.[1] ?? NOT_ACCOUNTED }
    })
}

/** Throws, naming them, when methods are neither in the table nor accounted for. */
export function coverageDoc(): string {
  const all = coverage()
  const open = all.filter(({ absent }) => absent === NOT_ACCOUNTED).map(({ name }) => name)
  if (open.length > 0)
    throw new Error(`Neither in the method table nor in scripts/protocol-coverage.ts: ${open.join(", ")}`)
  const there = all.filter(({ absent }) => absent === undefined)
  const ours = methodNames().filter((name) => !all.some((one) => one.name === name))
  return `${[
    "# Methods of other gateways, here",
    "",
    "> Generated by `npm run docs` from `scripts/protocol-coverage.ts` and the method table. Shapes: [protocol.md](protocol.md).",
    "",
    `${all.length} methods are known from the original gateway's protocols 3 and 4 and from the simple dialect. ${there.length} are served.`,
    "What is not served is not announced in `features.methods` and is refused as unknown.",
    "",
    "## Served",
    "",
    "| method | known from |",
    "| --- | --- |",
    ...there.map(({ name, where }) => `| \`${name}\` | ${where.join(", ")} |`),
    "",
    "## Not served",
    "",
    "| method | known from | why, or what instead |",
    "| --- | --- | --- |",
    ...all
      .filter(({ absent }) => absent !== undefined)
      .map(({ absent, name, where }) => `| \`${name}\` | ${where.join(", ")} | ${absent} |`),
    "",
    "## Only here",
    "",
    ours.map((name) => `\`${name}\``).join(", "),
  ].join("\n")}\n`
}
