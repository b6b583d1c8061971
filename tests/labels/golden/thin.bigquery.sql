SELECT
  `t6`.`user_id`,
  `t6`.`item_id`,
  `t6`.`t0`,
  `t6`.`horizon_end`,
  `t6`.`treatment`,
  `t6`.`outcome`,
  `t6`.`label_kind`,
  `t6`.`sampling_weight`,
  `t6`.`censoring_weight`,
  `t6`.`analysis_weight`
FROM (
  SELECT
    `t5`.`user_id`,
    `t5`.`item_id`,
    `t5`.`t0`,
    `t5`.`horizon_end`,
    `t5`.`treatment`,
    `t5`.`outcome`,
    `t5`.`label_kind`,
    `t5`.`sampling_weight`,
    `t5`.`censoring_weight`,
    `t5`.`analysis_weight`,
    `t5`.`thin_latest`,
    `t5`.`thin_run`,
    `t5`.`thin_at_second`,
    `t5`.`thin_length`,
    `t5`.`thin_cell`,
    ROW_NUMBER() OVER (
      PARTITION BY `t5`.`user_id`, `t5`.`item_id`, `t5`.`thin_run`, `t5`.`thin_cell`
      ORDER BY `t5`.`t0` ASC
    ) - 1 AS `thin_place`
  FROM (
    SELECT
      *
    FROM (
      SELECT
        `t3`.`user_id`,
        `t3`.`item_id`,
        `t3`.`t0`,
        `t3`.`horizon_end`,
        `t3`.`treatment`,
        `t3`.`outcome`,
        `t3`.`label_kind`,
        `t3`.`sampling_weight`,
        `t3`.`censoring_weight`,
        `t3`.`analysis_weight`,
        `t3`.`thin_latest`,
        `t3`.`thin_run`,
        `t3`.`thin_at_second`,
        `t3`.`thin_length`,
        CAST(FLOOR(
          ieee_divide(
            `t3`.`thin_at_second` - MIN(`t3`.`thin_at_second`) OVER (
              PARTITION BY `t3`.`user_id`, `t3`.`item_id`, `t3`.`thin_run`
              ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ),
            MAX(`t3`.`thin_length`) OVER (
              PARTITION BY `t3`.`user_id`, `t3`.`item_id`, `t3`.`thin_run`
              ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            )
          )
        ) AS INT64) AS `thin_cell`
      FROM (
        SELECT
          `t2`.`user_id`,
          `t2`.`item_id`,
          `t2`.`t0`,
          `t2`.`horizon_end`,
          `t2`.`treatment`,
          `t2`.`outcome`,
          `t2`.`label_kind`,
          `t2`.`sampling_weight`,
          `t2`.`censoring_weight`,
          `t2`.`analysis_weight`,
          `t2`.`thin_latest`,
          `t2`.`thin_run`,
          UNIX_SECONDS(TIMESTAMP_TRUNC(`t2`.`t0`, SECOND)) AS `thin_at_second`,
          (
            UNIX_SECONDS(TIMESTAMP_TRUNC(`t2`.`horizon_end`, SECOND)) - UNIX_SECONDS(TIMESTAMP_TRUNC(`t2`.`t0`, SECOND))
          ) + 1 AS `thin_length`
        FROM (
          SELECT
            `t1`.`user_id`,
            `t1`.`item_id`,
            `t1`.`t0`,
            `t1`.`horizon_end`,
            `t1`.`treatment`,
            `t1`.`outcome`,
            `t1`.`label_kind`,
            `t1`.`sampling_weight`,
            `t1`.`censoring_weight`,
            `t1`.`analysis_weight`,
            `t1`.`thin_latest`,
            SUM(
              CAST(CASE
                WHEN (
                  `t1`.`thin_latest` IS NULL
                ) OR (
                  `t1`.`t0` >= `t1`.`thin_latest`
                )
                THEN 1
                WHEN NOT (
                  (
                    `t1`.`thin_latest` IS NULL
                  ) OR (
                    `t1`.`t0` >= `t1`.`thin_latest`
                  )
                )
                THEN 0
                ELSE NULL
              END AS INT64)
            ) OVER (
              PARTITION BY `t1`.`user_id`, `t1`.`item_id`
              ORDER BY `t1`.`t0` ASC
              ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS `thin_run`
          FROM (
            SELECT
              `t0`.`user_id`,
              `t0`.`item_id`,
              `t0`.`t0`,
              `t0`.`horizon_end`,
              `t0`.`treatment`,
              `t0`.`outcome`,
              `t0`.`label_kind`,
              `t0`.`sampling_weight`,
              `t0`.`censoring_weight`,
              `t0`.`analysis_weight`,
              MAX(`t0`.`horizon_end`) OVER (
                PARTITION BY `t0`.`user_id`, `t0`.`item_id`
                ORDER BY `t0`.`t0` ASC
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 preceding
              ) AS `thin_latest`
            FROM `labels` AS `t0`
          ) AS `t1`
        ) AS `t2`
      ) AS `t3`
    ) AS `t4`
    WHERE
      (
        MOD(`t4`.`thin_cell`, 2)
      ) = 0
  ) AS `t5`
) AS `t6`
WHERE
  `t6`.`thin_place` = 0
