CREATE TABLE `copy_outbox` (
	`revision` integer PRIMARY KEY NOT NULL,
	`keys` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE `domain_bans` (
	`machine_guid` text PRIMARY KEY NOT NULL,
	`device_key_thumbprint` text,
	`reason` text NOT NULL,
	`banned_by` text NOT NULL,
	`banned_at` integer DEFAULT (unixepoch() * 1000) NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `domain_bans_by_device_key` ON `domain_bans` (`device_key_thumbprint`);--> statement-breakpoint
CREATE TABLE `domain_deletion` (
	`domain` text PRIMARY KEY NOT NULL,
	`key_version` integer NOT NULL,
	`revision` integer NOT NULL,
	`member_count` integer NOT NULL,
	`deleted_at` integer NOT NULL,
	`deleted_by` text NOT NULL,
	`database` text NOT NULL,
	`request_id` text NOT NULL,
	`is_owed` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domain_keys` (
	`key_version` integer PRIMARY KEY NOT NULL,
	`public_jwk` text NOT NULL,
	`wrapped_private_jwk` text NOT NULL,
	`key_encryption_kid` text NOT NULL,
	`created_at` integer DEFAULT (unixepoch() * 1000) NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX `domain_keys_by_kid` ON `domain_keys` (public_jwk ->> 'kid');--> statement-breakpoint
CREATE TABLE `domain_log` (
	`revision` integer PRIMARY KEY NOT NULL,
	`committed_at` integer NOT NULL,
	`changes` text NOT NULL,
	`hash` text NOT NULL,
	`mac` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE `domain_log_checkpoint` (
	`revision` integer PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`statement` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE `domain_membership` (
	`machine_guid` text PRIMARY KEY NOT NULL,
	`device_key_thumbprint` text,
	`joined_at` integer DEFAULT (unixepoch() * 1000) NOT NULL,
	`signed_at` integer,
	`subject_hash` text,
	`sealed_name` text,
	`last_renewed_on` integer DEFAULT (unixepoch() / 86400) NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `domain_membership_by_renewal` ON `domain_membership` (`last_renewed_on`,`joined_at`);--> statement-breakpoint
CREATE INDEX `domain_membership_by_subject` ON `domain_membership` (`subject_hash`) WHERE subject_hash is not null;--> statement-breakpoint
CREATE TABLE `domain_refusals` (
	`hour` integer NOT NULL,
	`error` text NOT NULL,
	`refusals` integer NOT NULL,
	PRIMARY KEY(`hour`, `error`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domain_requests` (
	`id` text PRIMARY KEY NOT NULL,
	`command` text NOT NULL,
	`machine_guid` text,
	`outcome` text NOT NULL,
	`recorded_at` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `domain_requests_by_age` ON `domain_requests` (`recorded_at`) WHERE length(id) > 36;--> statement-breakpoint
CREATE TABLE `domain_server_info` (
	`domain` text PRIMARY KEY NOT NULL,
	`authentication_required` integer DEFAULT 0 NOT NULL,
	`auth_namespace` text,
	`max_membership` integer,
	`device_key_required` integer DEFAULT 0 NOT NULL,
	`rollover_interval_seconds` integer,
	`retire_after_days` integer,
	`max_membership_per_subject` integer,
	`owner_subject` text,
	`when_full` text DEFAULT 'refuse' NOT NULL,
	`min_idle_days` integer DEFAULT 30 NOT NULL,
	`member_idle_days` integer,
	`delete_after_empty_days` integer,
	`key_rollover_required` integer DEFAULT 1 NOT NULL,
	`member_count` integer DEFAULT 0 NOT NULL,
	`retired_up_to` integer DEFAULT 0 NOT NULL,
	`revision` integer DEFAULT 1 NOT NULL,
	`head` text,
	`created_at` integer DEFAULT (unixepoch() * 1000) NOT NULL,
	`updated_at` integer DEFAULT (unixepoch() * 1000) NOT NULL,
	`key_version` integer NOT NULL,
	`key_made_at` integer NOT NULL,
	`lost_up_to` integer NOT NULL,
	`rollover_not_before` integer NOT NULL,
	`device_id_key` text NOT NULL,
	`epoch` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domain_signed_leaves` (
	`machine_guid` text PRIMARY KEY NOT NULL,
	`signed_at` integer NOT NULL,
	`recorded_at` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `progress` (
	`id` integer PRIMARY KEY NOT NULL,
	`database` text,
	`copied_revision` integer NOT NULL,
	`copied_head` text,
	`stale_since` integer,
	`rewrite_due` integer NOT NULL,
	`compared_at` integer NOT NULL,
	`published_revision` integer,
	`rewrapped_kid` text
) STRICT;
--> statement-breakpoint
CREATE TABLE `take_over` (
	`id` integer PRIMARY KEY NOT NULL,
	`tables` integer NOT NULL,
	`after` text NOT NULL,
	`source` text NOT NULL
) STRICT;
